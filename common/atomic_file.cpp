#include "common/atomic_file.h"

#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "common/error.h"
#include "common/posix_file.h"

namespace sdlora {
namespace {

// Removes the temporary file on every way out but the good one.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& file)
      : path_(folder_of(file) /
              fmt::format(".{}{}{}", file.filename().string(), kTemporaryMark, ::getpid())) {}

  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  ~TemporaryFile() {
    if (!is_renamed_) ::unlink(path_.c_str());
  }

  const std::filesystem::path& path() const { return path_; }

  void rename_to(const std::filesystem::path& file) {
    if (std::rename(path_.c_str(), file.c_str()) != 0) {
      throw io_error("cannot put the finished file in its place", file);
    }
    is_renamed_ = true;
  }

 private:
  std::filesystem::path path_;
  bool is_renamed_ = false;
};

// A rename puts a plain file in the place of whatever had the name: run by root on /dev/null, it would take
// the machine's null device away.
void refuse_to_replace_a_special_file(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_other(file, ignored)) return;
  throw Error(ExitCode::kIo, {.what = "cannot write a file",
                              .expected = "a name that is free, or a plain file's",
                              .seen = "a device, a pipe or a socket, which a finished file would replace",
                              .where = file.string(),
                              .advice = "name a file"});
}

// Said of the file that was asked for, not of the temporary one.
void refuse_a_missing_folder(const std::filesystem::path& file) {
  std::error_code failure;
  const std::filesystem::file_status folder = std::filesystem::status(folder_of(file), failure);
  if (folder.type() != std::filesystem::file_type::not_found) return;
  throw Error(ExitCode::kIo, {.what = "cannot write a file",
                              .seen = failure.message(),
                              .where = file.string(),
                              .advice = "make the folder first"});
}

}  // namespace

void write_file_atomically(const std::filesystem::path& file,
                           const std::function<void(const std::filesystem::path& temporary)>& write) {
  refuse_to_replace_a_special_file(file);
  refuse_a_missing_folder(file);
  TemporaryFile temporary(file);
  write(temporary.path());
  sync_to_disk(temporary.path());
  temporary.rename_to(file);
  sync_to_disk(folder_of(file));
}

void write_text_atomically(const std::filesystem::path& file, std::string_view text) {
  write_file_atomically(file, [text](const std::filesystem::path& temporary) {
    PosixFile output = PosixFile::create(temporary);
    output.write(text);
    output.close();
  });
}

std::string read_text(const std::filesystem::path& file) {
  const PosixFile input = PosixFile::open_to_read(file);
  std::string text(input.byte_count(), '\0');
  input.read_at(0, text.data(), text.size());
  return text;
}

}  // namespace sdlora
