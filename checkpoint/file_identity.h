// Whether a file is still the one that was seen before, without reading it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace sdlora::checkpoint {

struct FileIdentity {
  std::string text;  // device, inode, size, times of modification and change in nanoseconds
  int64_t byte_count;
  std::chrono::system_clock::time_point changed_at;
};

// A file that changed less than this before it was read may change again without showing: clocks of file
// systems are coarse.
inline constexpr std::chrono::seconds kYouth{2};

// Of the opened file: a path may be answered for from what a network file system saw a minute ago. Throws
// Error(kIo) naming the file.
FileIdentity identity_of_file(const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
