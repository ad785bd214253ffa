#include <algorithm>

#include "data/images/image_bytes.h"
#include "data/images/image_header.h"

namespace sdlora::data {
namespace {

constexpr uint64_t kScreenBytes = 13;  // signature and logical screen descriptor; GIF89a, 17 and 18
constexpr uint8_t kExtension = 0x21, kImage = 0x2C;

// Of a colour table that the flags of a descriptor announce.
uint64_t colour_table_bytes(uint8_t flags) {
  return (flags & 0x80) == 0 ? 0 : 3 * (uint64_t{2} << (flags & 7));
}

}  // namespace

// The logical screen, and the first frame on it, which may reach beyond.
ImageHeader read_gif_header(std::string_view file_bytes) {
  const ImageBytes bytes(file_bytes);
  ImageHeader header{
      .kind = ImageKind::kGif, .width = bytes.little_endian(6, 2), .height = bytes.little_endian(8, 2)};
  uint64_t offset = kScreenBytes + colour_table_bytes(bytes.u8(10));
  while (bytes.u8(offset) == kExtension) {
    offset += 2;
    while (const uint8_t block_bytes = bytes.u8(offset)) offset += 1 + uint64_t{block_bytes};
    ++offset;
  }
  if (bytes.u8(offset) != kImage)
    throw UnusableImage("a GIF without a picture, or with stray bytes before it");
  const auto number = [&](uint64_t at) { return int64_t{bytes.little_endian(offset + at, 2)}; };
  header.width = std::max(header.width, number(1) + number(5));
  header.height = std::max(header.height, number(3) + number(7));
  return header;
}

}  // namespace sdlora::data
