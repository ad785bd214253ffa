// The first directory of a TIFF structure: a picture's, or EXIF's (TIFF 6.0, section 2).
#pragma once

#include <string_view>

#include "data/images/image_bytes.h"

namespace sdlora::data {

class TiffDirectory {
 public:
  // `tiff` begins with "II*\0" or "MM\0*".
  explicit TiffDirectory(std::string_view tiff) : bytes_(tiff), is_little_(tiff.starts_with("II")) {}

  struct Entry {
    uint32_t tag;
    uint32_t type;        // 1 BYTE, 3 SHORT, 4 LONG
    uint32_t count;       // of values
    uint64_t value_byte;  // where the value is, or what says where
  };

  // Unsigned, of at most 4 bytes. Throws UnusableImage beyond the end, as for_each().
  uint32_t number(uint64_t offset, int byte_count) const {
    return is_little_ ? bytes_.little_endian(offset, byte_count) : bytes_.big_endian(offset, byte_count);
  }

  // Until see(entry) returns false.
  template <typename See>
  void for_each(const See& see) const {
    constexpr uint64_t kEntryBytes = 12;
    const uint64_t directory = number(4, 4);
    const uint32_t entry_count = number(directory, 2);
    for (uint32_t entry = 0; entry < entry_count; ++entry) {
      const uint64_t offset = directory + 2 + entry * kEntryBytes;
      const Entry seen{.tag = number(offset, 2),
                       .type = number(offset + 2, 2),
                       .count = number(offset + 4, 4),
                       .value_byte = offset + 8};
      if (!see(seen)) return;
    }
  }

 private:
  ImageBytes bytes_;
  bool is_little_;
};

}  // namespace sdlora::data
