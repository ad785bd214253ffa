// The zip archive of a .pt file: records stored as they are, not compressed, below 4 GiB. Written for this
// narrow kind because neither LibTorch's reader nor Python's torch.load compares the records' checksums.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace sdlora::checkpoint {

class ZipArchive {
 public:
  // Reads the file and verifies every record's CRC-32. Throws Error(kBadData) naming the file and the flaw,
  // Error(kIo).
  explicit ZipArchive(const std::filesystem::path& file);
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  // By its name without the archive's own folder: "data.pkl", "data/0". Lives as long as the archive.
  // Throws Error(kBadData) when it is missing.
  std::string_view record(const std::string& name) const;

 private:
  struct Directory {
    uint64_t begin_byte;
    uint64_t record_count;
  };

  template <typename Integer>
  Integer read(uint64_t begin_byte) const;
  std::string_view view(uint64_t begin_byte, uint64_t bytes) const;
  Directory find_directory() const;
  uint64_t add_record(uint64_t entry_begin_byte);  // the next entry's first byte
  [[noreturn]] void refuse(const std::string& what, const std::string& seen = "",
                           const std::string& advice = "") const;

  std::filesystem::path file_;
  std::string bytes_;
  uint64_t record_bytes_total_ = 0;
  std::map<std::string, std::string_view, std::less<>> records_;
};

}  // namespace sdlora::checkpoint
