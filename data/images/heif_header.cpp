#include <algorithm>

#include "data/images/image_bytes.h"
#include "data/images/image_header.h"
#include "data/images/iso_boxes.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kFullBoxBytes = 4;  // version and flags

}  // namespace

// The largest of the sizes that the file's items have (ispe): a picture in tiles has theirs, too, and
// thumbnails. They are turned alike (irot: a number of quarters).
ImageHeader read_heif_header(std::string_view file_bytes, ImageKind kind) {
  ImageHeader header{.kind = kind};
  const auto see_property = [&](std::string_view type, std::string_view content) {
    if (type == "irot"sv) header.is_turned_by_decoder = ImageBytes(content).u8(0) % 2 == 1;
    if (type != "ispe"sv) return true;
    const ImageBytes size(content);
    const int64_t width = size.big_endian(kFullBoxBytes, 4), height = size.big_endian(kFullBoxBytes + 4, 4);
    header.width = std::max(header.width, width);
    header.height = std::max(header.height, height);
    return true;
  };
  const auto in = [](std::string_view wanted, uint64_t skipped_bytes, const auto& see) {
    return [wanted, skipped_bytes, see](std::string_view type, std::string_view content) {
      if (type == wanted) for_each_box(content.substr(std::min<size_t>(skipped_bytes, content.size())), see);
      return true;
    };
  };
  for_each_box(file_bytes, in("meta"sv, kFullBoxBytes, in("iprp"sv, 0, in("ipco"sv, 0, see_property))));
  if (header.width == 0) throw UnusableImage(name_of(kind) + " without a still picture");
  return header;
}

}  // namespace sdlora::data
