#include <algorithm>
#include <optional>

#include "data/images/image_bytes.h"
#include "data/images/image_header.h"
#include "data/images/orientation.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

// Markers of ITU T.81, table B.1.
constexpr uint8_t kStartOfScan = 0xDA;
constexpr uint8_t kEndOfImage = 0xD9;
constexpr uint8_t kMetadata = 0xE1;  // APP1: EXIF or XMP
constexpr std::string_view kXmpName = "http://ns.adobe.com/xap/1.0/\0"sv;

bool is_start_of_frame(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

bool stands_alone(uint8_t marker) {
  return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
}

// Where the entropy-coded data that begins at `offset` ends: at the next marker that is neither a stuffed
// zero nor a restart. Empty when there is none, which is how a cut-off file shows.
std::optional<uint64_t> end_of_scan(std::string_view bytes, uint64_t offset) {
  while ((offset = bytes.find('\xFF', offset)) != std::string_view::npos && offset + 1 < bytes.size()) {
    const auto next = static_cast<uint8_t>(bytes[offset + 1]);
    if (next != 0x00 && next != 0xFF && !(next >= 0xD0 && next <= 0xD7)) return offset;
    offset += next == 0xFF ? 1 : 2;
  }
  return std::nullopt;
}

}  // namespace

// Walks all segments up to the end marker: libjpeg paints what a cut-off file lacks in grey and calls it a
// success.
ImageHeader read_jpeg_header(std::string_view file_bytes) {
  const ImageBytes bytes(file_bytes);
  ImageHeader header{.kind = ImageKind::kJpeg};
  Orientation orientation;
  uint64_t offset = 2;
  while (true) {
    if (offset >= bytes.size()) throw UnusableImage("a JPEG that is cut off");
    if (bytes.u8(offset) != 0xFF) {  // stray bytes between segments, which decoders pass over
      ++offset;
      continue;
    }
    if (offset + 1 >= bytes.size()) throw UnusableImage("a JPEG that is cut off");
    const uint8_t marker = bytes.u8(offset + 1);
    if (marker == kEndOfImage) break;
    if (marker == 0xFF || marker == 0x00 || stands_alone(marker)) {
      offset += marker == 0xFF ? 1 : 2;
      continue;
    }
    const uint64_t length = bytes.big_endian(offset + 2, 2);
    const std::string_view segment = bytes.slice(offset + 2, length);
    if (is_start_of_frame(marker)) {
      header.height = ImageBytes(segment).big_endian(3, 2);
      header.width = ImageBytes(segment).big_endian(5, 2);
    } else if (marker == kMetadata) {
      const std::string_view content = segment.substr(std::min<size_t>(2, segment.size()));
      if (content.starts_with("Exif\0\0"sv)) orientation.see_exif(content);
      if (content.starts_with(kXmpName)) orientation.see_xmp(content.substr(kXmpName.size()));
    }
    offset += 2 + length;
    if (marker == kStartOfScan) {
      const std::optional<uint64_t> end = end_of_scan(file_bytes, offset);
      if (!end) throw UnusableImage("a JPEG that is cut off");
      offset = *end;
    }
  }
  header.orientation = orientation.value();
  return header;
}

}  // namespace sdlora::data
