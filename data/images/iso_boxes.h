// The boxes that HEIC, AVIF and JPEG XL files are made of (ISO 14496-12, 4.2).
#pragma once

#include <string_view>

#include "data/images/image_bytes.h"

namespace sdlora::data {

// Calls see(type, content) for each box of `bytes` until it returns false; of a box that says to be longer,
// with what there is. Throws UnusableImage for one that is shorter than its own header.
template <typename See>
void for_each_box(std::string_view bytes, const See& see) {
  while (bytes.size() >= 8) {
    const ImageBytes box(bytes);
    uint64_t byte_count = box.big_endian(0, 4), header_bytes = 8;
    if (byte_count == 1) {
      byte_count = uint64_t{box.big_endian(8, 4)} << 32 | box.big_endian(12, 4);
      header_bytes = 16;
    }
    if (byte_count == 0 || byte_count > bytes.size()) byte_count = bytes.size();  // to the end of the file
    if (byte_count < header_bytes) throw UnusableImage("damaged: boxes that do not fit");
    if (!see(bytes.substr(4, 4), bytes.substr(header_bytes, byte_count - header_bytes))) return;
    bytes.remove_prefix(byte_count);
  }
}

}  // namespace sdlora::data
