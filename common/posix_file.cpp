#include "common/posix_file.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

namespace sdlora {
namespace {

// The kernel moves at most 2 GiB a call.
constexpr uint64_t kBytesPerCall = uint64_t{1} << 30;

[[noreturn]] void fail(const char* what, const std::filesystem::path& path) {
  const bool is_full = errno == ENOSPC || errno == EDQUOT;
  throw io_error(what, path, is_full ? "make room there, then run again" : "");
}

}  // namespace

PosixFile::PosixFile(std::filesystem::path path, int flags, const char* what)
    : path_(std::move(path)), descriptor_(::open(path_.c_str(), flags | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail(what, path_);
}

PosixFile PosixFile::open_to_read(const std::filesystem::path& file) {
  // O_NONBLOCK: a named pipe must not make us wait for its writer before it is refused.
  PosixFile opened(file, O_RDONLY | O_NONBLOCK, "cannot open the file");

  struct stat status {};

  if (::fstat(opened.descriptor_, &status) != 0) fail("cannot look at the file", file);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ExitCode::kIo, {.what = "cannot read this as a file",
                                .expected = "a regular file",
                                .seen = S_ISDIR(status.st_mode) ? "a folder" : "a pipe or a device",
                                .where = file.string()});
  }
  return opened;
}

PosixFile PosixFile::create(const std::filesystem::path& file) {
  return PosixFile(file, O_RDWR | O_CREAT | O_TRUNC, "cannot create the file");
}

PosixFile::PosixFile(PosixFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

PosixFile::~PosixFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

uint64_t PosixFile::byte_count() const {
  struct stat status {};

  if (::fstat(descriptor_, &status) != 0) fail("cannot look at the file", path_);
  return static_cast<uint64_t>(status.st_size);
}

void PosixFile::read_at(uint64_t begin_byte, void* destination, uint64_t bytes) const {
  auto* next = static_cast<char*>(destination);
  uint64_t left = bytes;
  while (left > 0) {
    const ssize_t got = ::pread(descriptor_, next, std::min(left, kBytesPerCall),
                                static_cast<off_t>(begin_byte + bytes - left));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot read the file", path_);
    if (got == 0) {
      throw Error(ExitCode::kIo, {.what = "the file became shorter while it was read",
                                  .expected = fmt::format("{} bytes from byte {}", bytes, begin_byte),
                                  .seen = fmt::format("{} bytes", bytes - left),
                                  .where = path_.string()});
    }
    next += got;
    left -= static_cast<uint64_t>(got);
  }
}

void PosixFile::write(const void* source, uint64_t bytes) {
  const auto* next = static_cast<const char*>(source);
  while (bytes > 0) {
    const ssize_t put = ::write(descriptor_, next, std::min(bytes, kBytesPerCall));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("cannot write the file", path_);
    next += put;
    bytes -= static_cast<uint64_t>(put);
  }
}

void PosixFile::write_at(uint64_t begin_byte, const void* source, uint64_t bytes) {
  const auto* next = static_cast<const char*>(source);
  uint64_t left = bytes;
  while (left > 0) {
    const ssize_t put = ::pwrite(descriptor_, next, std::min(left, kBytesPerCall),
                                 static_cast<off_t>(begin_byte + bytes - left));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("cannot write the file", path_);
    next += put;
    left -= static_cast<uint64_t>(put);
  }
}

void PosixFile::sync() {
  if (::fdatasync(descriptor_) != 0 && errno != EINVAL) fail("cannot flush this to the disk", path_);
}

void PosixFile::close() {
  // After EINTR Linux has closed the descriptor all the same.
  if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR)
    fail("cannot finish writing the file", path_);
}

void sync_to_disk(const std::filesystem::path& file_or_folder) {
  const int descriptor = ::open(file_or_folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail("cannot open this to flush it to the disk", file_or_folder);
  const int result = ::fsync(descriptor);
  const int reason = errno;
  ::close(descriptor);
  errno = reason;
  // EINVAL: a file system that cannot flush folders has nothing to flush.
  if (result != 0 && reason != EINVAL) fail("cannot flush this to the disk", file_or_folder);
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

}  // namespace sdlora
