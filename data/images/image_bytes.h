// Bounded reading of an image file's bytes, and the reason why a file gives no sample.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sdlora::data {

// This image gives no sample; the text says why, for the list of skipped images. The run goes on.
class UnusableImage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The bytes of a file or of a part of it. Reading beyond the end throws UnusableImage.
class ImageBytes {
 public:
  explicit ImageBytes(std::string_view bytes) : bytes_(bytes) {}

  uint64_t size() const { return bytes_.size(); }

  bool has_at(uint64_t offset, std::string_view expected) const {
    return offset <= bytes_.size() && bytes_.substr(offset).starts_with(expected);
  }

  std::string_view slice(uint64_t offset, uint64_t count) const {
    if (offset > bytes_.size() || count > bytes_.size() - offset)
      throw UnusableImage("the file ends too early");
    return bytes_.substr(offset, count);
  }

  uint8_t u8(uint64_t offset) const { return static_cast<uint8_t>(slice(offset, 1)[0]); }

  // Unsigned integers of `byte_count` (at most 4) bytes.
  uint32_t big_endian(uint64_t offset, int byte_count) const {
    uint32_t value = 0;
    for (const char byte : slice(offset, static_cast<uint64_t>(byte_count)))
      value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }

  uint32_t little_endian(uint64_t offset, int byte_count) const {
    uint32_t value = 0;
    for (int byte = byte_count - 1; byte >= 0; --byte)
      value = value << 8 | u8(offset + static_cast<uint64_t>(byte));
    return value;
  }

 private:
  std::string_view bytes_;
};

}  // namespace sdlora::data
