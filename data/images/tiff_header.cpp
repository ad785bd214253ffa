#include <algorithm>

#include "data/images/image_bytes.h"
#include "data/images/image_header.h"
#include "data/images/orientation.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

// Tags of TIFF 6.0, and DNG's.
constexpr uint32_t kSubfileType = 254, kWidth = 256, kHeight = 257, kSubDirectories = 330, kXmp = 700,
                   kDngVersion = 50706;
constexpr uint32_t kReducedPicture =
    1;  // a bit of the subfile type: a thumbnail of another picture in the file
constexpr uint64_t kTagEntryBytes = 12;

}  // namespace

// The first directory is the picture. A camera's raw file looks the same, but its first directory is a
// thumbnail, and the picture lies in a sub-directory.
ImageHeader read_tiff_header(std::string_view file_bytes) {
  const ImageBytes bytes(file_bytes);
  const bool is_little = bytes.has_at(0, "II"sv);
  const auto number = [&](uint64_t offset, int byte_count) {
    return is_little ? bytes.little_endian(offset, byte_count) : bytes.big_endian(offset, byte_count);
  };
  ImageHeader header{.kind = ImageKind::kTiff};
  Orientation orientation;
  orientation.see_exif(file_bytes);
  bool is_reduced = false, has_more_inside = false;
  const uint64_t directory = number(4, 4);
  const uint32_t entry_count = number(directory, 2);
  for (uint32_t entry = 0; entry < entry_count; ++entry) {
    const uint64_t offset = directory + 2 + entry * kTagEntryBytes;
    const uint32_t tag = number(offset, 2), type = number(offset + 2, 2);
    const uint32_t value = number(offset + 8, type == 3 ? 2 : 4);
    if (tag == kWidth) header.width = value;
    if (tag == kHeight) header.height = value;
    if (tag == kXmp)
      orientation.see_xmp(
          file_bytes.substr(std::min<size_t>(value, file_bytes.size()), number(offset + 4, 4)));
    is_reduced = is_reduced || (tag == kSubfileType && (value & kReducedPicture) != 0);
    has_more_inside = has_more_inside || tag == kSubDirectories || tag == kDngVersion;
  }
  if (is_reduced && has_more_inside)
    throw UnusableImage("a camera's raw file (what comes first in it is a thumbnail)");
  header.orientation = orientation.value();
  return header;
}

}  // namespace sdlora::data
