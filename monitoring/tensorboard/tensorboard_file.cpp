#include "monitoring/tensorboard/tensorboard_file.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

#include "common/error.h"
#include "common/host.h"
#include "monitoring/tensorboard/crc32c.h"

namespace sdlora::monitoring {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";

// The seconds in the newest file's name; 0 without one.
int64_t newest_seconds(const fs::path& directory) {
  int64_t newest = 0;
  for (const auto& entry : fs::directory_iterator(directory))
    if (const std::string name = entry.path().filename().string(); name.starts_with(kPrefix))
      newest = std::max<int64_t>(newest, std::strtoll(name.c_str() + kPrefix.size(), nullptr, 10));
  return newest;
}

// Two attempts within a second, or a clock that went back, must not change the order.
std::string name_of_new_file(const fs::path& directory) {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  const int64_t seconds = std::max<int64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count(), newest_seconds(directory) + 1);
  return fmt::format("{}{:010}.{}.{}", kPrefix, seconds, host_name(), getpid());
}

std::string little_endian(uint64_t number, int byte_count) {
  std::string bytes;
  for (int i = 0; i < byte_count; ++i, number >>= 8) bytes += static_cast<char>(number);
  return bytes;
}

// Rotated and shifted, since a checksum over data that holds checksums is a poor one (tensorflow,
// lib/hash/crc32c.h).
std::string masked_checksum(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return little_endian((crc >> 15 | crc << 17) + 0xA282EAD8U, 4);
}

[[noreturn]] void throw_unwritable(const fs::path& file, const std::string& reason) {
  throw Error(ExitCode::kIo, {.what = "cannot write events for TensorBoard",
                              .seen = reason,
                              .where = file.string(),
                              .advice = "check the folder's permissions and the free space"});
}

}  // namespace

TensorboardFile::TensorboardFile(const fs::path& directory) : file_(directory) {
  try {
    fs::create_directories(directory);
    file_ = directory / name_of_new_file(directory);
  } catch (const fs::filesystem_error& failure) {
    throw_unwritable(directory, failure.code().message());
  }
  stream_.reset(std::fopen(file_.c_str(), "wbx"));
  if (!stream_) throw_unwritable(file_, system_error_text());
}

void TensorboardFile::append(std::string_view event) {
  const std::string length = little_endian(event.size(), 8);
  const std::string record = length + masked_checksum(length) + std::string(event) + masked_checksum(event);
  if (std::fwrite(record.data(), 1, record.size(), stream_.get()) != record.size() ||
      std::fflush(stream_.get()) != 0)
    throw_unwritable(file_, system_error_text());
}

}  // namespace sdlora::monitoring
