#include "data/images/image_file.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint/sha256.h"
#include "common/error.h"
#include "data/images/image_bytes.h"
#include "data/images/image_header.h"
#include "data/images/orientation.h"

namespace sdlora::data {
namespace {

constexpr off_t kMaxFileBytes = off_t{512} << 20;
const std::string kCannotOpen = "cannot be opened: ";
const std::string kCannotRead = "cannot be read: ";
const std::string kOfItsMask = "its mask ";

class OpenFile {
 public:
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  explicit OpenFile(const std::filesystem::path& file)
      : descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) throw UnusableImage(kCannotOpen + system_error_text());
  }

  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  ~OpenFile() { ::close(descriptor_); }

  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace

std::string read_image_file(const std::filesystem::path& file) {
  const OpenFile open(file);

  struct stat status {};

  if (::fstat(open.descriptor(), &status) != 0) throw UnusableImage(kCannotRead + system_error_text());
  if (!S_ISREG(status.st_mode)) throw UnusableImage("is not a regular file");
  if (status.st_size > kMaxFileBytes) throw UnusableImage("a file of more than 512 MiB");
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  size_t read_bytes = 0;
  while (read_bytes < bytes.size()) {
    const ssize_t count = ::read(open.descriptor(), &bytes[read_bytes], bytes.size() - read_bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw UnusableImage(kCannotRead + system_error_text());
    if (count == 0) break;
    read_bytes += static_cast<size_t>(count);
  }
  bytes.resize(read_bytes);
  return bytes;
}

std::string read_mask_file(const std::filesystem::path& file) {
  try {
    return read_image_file(file);
  } catch (const UnusableImage& reason) {
    throw UnusableImage(kOfItsMask + std::string(reason.what()));
  }
}

bool is_unreadable(const std::string& full_reason) {
  const std::string reason =
      full_reason.starts_with(kOfItsMask) ? full_reason.substr(kOfItsMask.size()) : full_reason;
  return reason.starts_with(kCannotOpen) || reason.starts_with(kCannotRead);
}

InspectedImage inspect_image(const std::filesystem::path& file) {
  InspectedImage inspected;
  try {
    const std::string bytes = read_image_file(file);
    inspected.sha256 = checkpoint::sha256_of(bytes);
    const ImageHeader header = read_image_header(bytes);
    if (header.kind != kind_by_name(file)) inspected.other_kind = name_of(header.kind);
    inspected.size = {header.width, header.height};
    if (swaps_sides(header.orientation) || header.is_turned_by_decoder)
      std::swap(inspected.size.width, inspected.size.height);
  } catch (const UnusableImage& reason) {
    inspected.unusable_reason = reason.what();
  }
  return inspected;
}

}  // namespace sdlora::data
