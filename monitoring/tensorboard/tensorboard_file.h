// A file of events that TensorBoard reads while it grows: DIR/events.out.tfevents.<seconds>.<host>.<process>.
// Each attempt of a run has a file of its own, which TensorBoard reads in the order of the names.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>

namespace sdlora::monitoring {

class TensorboardFile {
 public:
  // Creates `directory` and the file, with a name after those of the files that are there. Throws Error(kIo).
  explicit TensorboardFile(const std::filesystem::path& directory);

  // One event as a record (TFRecord: length, checksum, data, checksum); it is with the operating system when
  // this returns. Throws Error(kIo).
  void append(std::string_view event);

 private:
  struct Close {
    void operator()(std::FILE* stream) const { std::fclose(stream); }
  };

  std::filesystem::path file_;
  std::unique_ptr<std::FILE, Close> stream_;
};

}  // namespace sdlora::monitoring
