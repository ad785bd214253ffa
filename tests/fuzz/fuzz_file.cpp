#include "tests/fuzz/fuzz_file.h"

#include <cstdlib>
#include <fstream>

#include <unistd.h>

namespace sdlora::fuzz {
namespace {

namespace fs = std::filesystem;

// libFuzzer ends with _Exit: what it leaves is run.sh's to remove.
class Folder {
 public:
  Folder() : path_("/dev/shm/sdlora-fuzz-" + std::to_string(::getpid())) { fs::create_directories(path_); }

  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

const fs::path& folder() {
  static const Folder folder;
  return folder.path();
}

fs::path write_file(const std::string& name, std::string_view bytes) {
  const fs::path file = folder() / name;
  std::ofstream stream(file, std::ios::binary | std::ios::trunc);
  if (!stream) {
    fs::create_directories(file.parent_path());
    stream.open(file, std::ios::binary | std::ios::trunc);
  }
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  stream.close();
  if (!stream) std::abort();  // /dev/shm is full: no finding of the reader's
  return file;
}

void remove_file(const std::string& name) {
  std::error_code ignored;
  fs::remove(folder() / name, ignored);
}

}  // namespace sdlora::fuzz
