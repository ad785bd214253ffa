// The zip archive of a .pt file: records stored as they are, not compressed, in one folder; of any size
// (zip64). Written for this narrow kind because neither LibTorch's reader nor Python's torch.load compares
// the records' checksums.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sdlora::checkpoint {

struct ZipRecord {
  uint64_t local_begin_byte;  // of the record's own header
  uint64_t stored_bytes;
  uint64_t record_bytes;
  std::optional<uint32_t> checksum;  // CRC-32; torch.save can be told not to compute it
  uint16_t method;
  bool is_encrypted;
};

// The CRC-32 of `bytes` is `checksum`, or Error(kBadData) says that `record` is damaged.
void check_crc32(std::string_view bytes, const std::optional<uint32_t>& checksum, const std::string& record,
                 const std::filesystem::path& file);

class ZipArchive {
 public:
  // Reads the directory of the archive that is `bytes`, and none of its records. Throws Error(kBadData)
  // naming the file and the flaw, or what else the archive is: TorchScript, Keras, numpy.
  ZipArchive(std::string_view bytes, std::filesystem::path file);

  bool has(const std::string& name) const;

  // By its name without the archive's own folder: "data.pkl", "data/0". Not compared with its checksum. Lives
  // as long as the archive's bytes. Throws Error(kBadData) when it is missing, compressed or out of place.
  std::string_view record(const std::string& name) const;
  std::optional<uint32_t> checksum(const std::string& name) const;

  std::string_view verified_record(const std::string& name) const;

  // Compares every record with its checksum. Throws Error(kBadData).
  void verify() const;

 private:
  struct Directory {
    uint64_t begin_byte;
    uint64_t record_count;
  };

  template <typename Integer>
  Integer read(uint64_t begin_byte) const;
  std::string_view view(uint64_t begin_byte, uint64_t bytes) const;
  Directory find_directory() const;
  Directory wide_directory(uint64_t end_begin_byte) const;
  uint64_t add_record(uint64_t entry_begin_byte);  // the next entry's first byte
  void widen(ZipRecord& record, std::string_view extra) const;
  void find_folder();
  [[noreturn]] void refuse_other_archive() const;
  const ZipRecord& find(const std::string& name) const;
  std::string_view data_of(const std::string& whole_name, const ZipRecord& record) const;
  [[noreturn]] void refuse(const std::string& what, const std::string& seen = "",
                           const std::string& advice = "") const;

  std::filesystem::path file_;
  std::string_view bytes_;
  uint64_t stored_bytes_total_ = 0;
  std::string folder_;  // "archive/": the writer's choice
  std::map<std::string, ZipRecord, std::less<>> records_;
};

}  // namespace sdlora::checkpoint
