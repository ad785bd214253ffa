// What the tests of this folder share: a folder of their own, raw bytes on disk, and errors caught as values.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/error.h"

namespace sdlora::checkpoint {

// Removed with all it holds at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(::testing::TempDir() + "sdlora-checkpoint-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
  }

  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  std::filesystem::path path() const { return path_; }

  std::filesystem::path operator/(const std::string& name) const { return path() / name; }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      names.push_back(entry.path().filename());
    return names;
  }

 private:
  std::string path_;
};

inline void write_bytes(const std::filesystem::path& file, const std::string& bytes) {
  std::filesystem::remove(
      file);  // ext4 flushes a file that is cut to nothing and written again, which takes 3 ms
  std::ofstream(file, std::ios::binary) << bytes;
}

inline std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream input(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(input), {}};
}

// "65 the message", or "nothing was thrown". Anything but an Error passes through and fails the test.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.exit_code())) + " " + error.what();
  }
  return "nothing was thrown";
}

}  // namespace sdlora::checkpoint
