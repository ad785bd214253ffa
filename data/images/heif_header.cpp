#include <algorithm>
#include <functional>

#include "data/images/image_bytes.h"
#include "data/images/image_header.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

// Calls `see` with type and content of each box (ISO 14496-12, 4.2) of `bytes`.
void for_each_box(std::string_view bytes,
                  const std::function<void(std::string_view, std::string_view)>& see) {
  while (bytes.size() >= 8) {
    const ImageBytes box(bytes);
    uint64_t byte_count = box.big_endian(0, 4), header_bytes = 8;
    if (byte_count == 1) {
      byte_count = uint64_t{box.big_endian(8, 4)} << 32 | box.big_endian(12, 4);
      header_bytes = 16;
    }
    if (byte_count == 0 || byte_count > bytes.size()) byte_count = bytes.size();  // to the end of the file
    if (byte_count < header_bytes) throw UnusableImage("a HEIC or AVIF whose boxes do not fit");
    see(bytes.substr(4, 4), bytes.substr(header_bytes, byte_count - header_bytes));
    bytes.remove_prefix(byte_count);
  }
}

constexpr uint64_t kFullBoxBytes = 4;  // version and flags

}  // namespace

// The largest of the sizes that the file's items have (ispe): a picture in tiles has theirs, too, and
// thumbnails.
ImageHeader read_heif_header(std::string_view file_bytes, ImageKind kind) {
  ImageHeader header{.kind = kind};
  const auto see_property = [&](std::string_view type, std::string_view content) {
    if (type != "ispe"sv) return;
    const ImageBytes size(content);
    const int64_t width = size.big_endian(kFullBoxBytes, 4), height = size.big_endian(kFullBoxBytes + 4, 4);
    header.width = std::max(header.width, width);
    header.height = std::max(header.height, height);
  };
  const auto in = [](std::string_view wanted, uint64_t skipped_bytes, const auto& see) {
    return [wanted, skipped_bytes, see](std::string_view type, std::string_view content) {
      if (type == wanted) for_each_box(content.substr(std::min<size_t>(skipped_bytes, content.size())), see);
    };
  };
  for_each_box(file_bytes, in("meta"sv, kFullBoxBytes, in("iprp"sv, 0, in("ipco"sv, 0, see_property))));
  if (header.width == 0) throw UnusableImage(name_of(kind) + " without a still picture");
  return header;
}

}  // namespace sdlora::data
