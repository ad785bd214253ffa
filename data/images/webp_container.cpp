#include "data/images/webp_container.h"

#include <vector>

#include "data/images/image_bytes.h"
#include "data/images/image_header.h"
#include "data/images/orientation.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kRiffHeaderBytes = 12;
constexpr uint64_t kChunkHeaderBytes = 8;
constexpr uint64_t kFrameHeaderBytes =
    16;  // of ANMF: x, y, width - 1, height - 1, duration (3 bytes each), flags
constexpr uint32_t kAnimationFlag = 0x02;  // of VP8X
constexpr char kAlphaFlag = 0x10;

struct Chunk {
  std::string_view type;  // four characters
  std::string_view data;
  std::string_view whole;  // header, data and padding
};

std::vector<Chunk> list_chunks(const ImageBytes& bytes, uint64_t offset) {
  std::vector<Chunk> chunks;
  while (offset + kChunkHeaderBytes <= bytes.size()) {
    const uint64_t length = bytes.little_endian(offset + 4, 4);
    const uint64_t whole = std::min(kChunkHeaderBytes + length + length % 2, bytes.size() - offset);
    chunks.push_back({bytes.slice(offset, 4), bytes.slice(offset + kChunkHeaderBytes, length),
                      bytes.slice(offset, whole)});
    offset += whole;
  }
  if (chunks.empty()) throw UnusableImage("a WebP without content");
  return chunks;
}

std::string little_endian_text(uint64_t value, int byte_count) {
  std::string text;
  for (int byte = 0; byte < byte_count; ++byte) text += static_cast<char>(value >> (8 * byte) & 0xFF);
  return text;
}

bool is_animated(const Chunk& first) {
  return first.type == "VP8X"sv && (ImageBytes(first.data).u8(0) & kAnimationFlag) != 0;
}

}  // namespace

ImageHeader read_webp_header(std::string_view file_bytes) {
  ImageHeader header{.kind = ImageKind::kWebp};
  const std::vector<Chunk> chunks = list_chunks(ImageBytes(file_bytes), kRiffHeaderBytes);
  const ImageBytes first(chunks[0].data);
  if (chunks[0].type == "VP8X"sv) {
    header.width = first.little_endian(4, 3) + 1;
    header.height = first.little_endian(7, 3) + 1;
  } else if (chunks[0].type == "VP8L"sv) {
    const uint32_t sides = first.little_endian(1, 4);  // 14 bits each
    header.width = (sides & 0x3FFF) + 1;
    header.height = (sides >> 14 & 0x3FFF) + 1;
  } else if (chunks[0].type == "VP8 "sv) {
    header.width = first.little_endian(6, 2) & 0x3FFF;
    header.height = first.little_endian(8, 2) & 0x3FFF;
  } else {
    throw UnusableImage("a WebP of an unknown kind");
  }
  Orientation orientation;
  for (const Chunk& chunk : chunks) {
    if (chunk.type == "EXIF"sv) orientation.see_exif(chunk.data);
    if (chunk.type == "XMP "sv) orientation.see_xmp(chunk.data);
  }
  header.orientation = orientation.value();
  return header;
}

std::string still_webp(std::string_view file_bytes) {
  const std::vector<Chunk> chunks = list_chunks(ImageBytes(file_bytes), kRiffHeaderBytes);
  if (!is_animated(chunks[0])) return std::string(file_bytes);
  for (const Chunk& frame : chunks) {
    if (frame.type != "ANMF"sv) continue;
    const ImageBytes frame_bytes(frame.data);
    const std::string_view canvas = ImageBytes(chunks[0].data).slice(4, 6);  // width - 1, height - 1
    if (frame_bytes.slice(6, 6) != canvas)
      throw UnusableImage("an animated WebP whose first frame is not a whole picture");
    std::string content;
    for (const Chunk& part : list_chunks(frame_bytes, kFrameHeaderBytes)) {
      if (part.type == "ALPH"sv)
        content =
            "VP8X" + little_endian_text(10, 4) + kAlphaFlag + std::string(3, '\0') + std::string(canvas);
      content += part.whole;
    }
    return "RIFF" + little_endian_text(content.size() + 4, 4) + "WEBP" + content;
  }
  throw UnusableImage("an animated WebP without frames");
}

}  // namespace sdlora::data
