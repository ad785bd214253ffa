#include "checkpoint/file_identity.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/posix_file.h"

namespace sdlora::checkpoint {

FileIdentity identity_of_file(const std::filesystem::path& file) {
  const PosixFile opened = PosixFile::open_to_read(file);

  struct stat status {};

  if (::fstat(opened.descriptor(), &status) != 0)
    throw io_error("cannot look at a file", file, "check that it is there and may be read");
  const auto since_epoch = [](const timespec& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  return {.text = fmt::format("{}:{} {} bytes, modified {}, changed {}", status.st_dev, status.st_ino,
                              status.st_size, since_epoch(status.st_mtim).count(),
                              since_epoch(status.st_ctim).count()),
          .byte_count = status.st_size,
          .changed_at = std::chrono::system_clock::time_point(since_epoch(status.st_ctim))};
}

}  // namespace sdlora::checkpoint
