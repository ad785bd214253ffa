// An empty folder of the test's own, gone with it.
#pragma once

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace sdlora::monitoring {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = testing::TempDir() + "/sdlora-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }

  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace sdlora::monitoring
