// Hashes of files that are large and seldom change, as a model's weights: computed once, remembered between
// runs as long as the files' identities are the same (device, inode, size, times of change in nanoseconds).
// Reading the 4 GB of Stable Diffusion 1.5 takes 2 to 3 seconds, which would be most of a start.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

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

  // What `compute` makes of the files, as they are now, and of `question`: a SHA-256, remembered or computed.
  // Throws what `compute` throws, Error(kIo).
  std::string hash_of(const std::vector<std::filesystem::path>& files, const std::string& question,
                      const std::function<std::string()>& compute) const;

 private:
  std::filesystem::path directory_;
  int64_t least_bytes_;
};

}  // namespace sdlora::checkpoint
