// SHA-256 of files that are large and seldom change, as a model's weights: computed once, remembered between
// runs as long as a file's identity is the same (device, inode, size, times of change in nanoseconds).
// Reading the 4 GB of Stable Diffusion 1.5 takes 2 to 3 seconds, which would be most of a start.
#pragma once

#include <filesystem>
#include <string>

namespace sdlora::checkpoint {

class HashMemory {
 public:
  // Remembers in `directory`, which it makes when there is something to remember; empty: nowhere. Files below
  // `least_bytes` are not worth it.
  explicit HashMemory(std::filesystem::path directory, int64_t least_bytes = int64_t{16} << 20);

  // In ${SDLORA_HOME:-~/.cache/sdlora}/hashes; nowhere without a home.
  static HashMemory of_this_user();

  // As sha256_of_file(), of the file as it is now: remembered or computed. A memory that cannot be read or
  // written only costs time. Throws Error(kIo) naming the file.
  std::string sha256_of_file(const std::filesystem::path& file) const;

 private:
  std::filesystem::path directory_;
  int64_t least_bytes_;
};

}  // namespace sdlora::checkpoint
