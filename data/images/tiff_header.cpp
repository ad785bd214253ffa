#include <algorithm>

#include "data/images/image_header.h"
#include "data/images/orientation.h"
#include "data/images/tiff_directory.h"

namespace sdlora::data {
namespace {

// Tags of TIFF 6.0, and DNG's.
constexpr uint32_t kSubfileType = 254, kWidth = 256, kHeight = 257, kSubDirectories = 330, kXmp = 700,
                   kDngVersion = 50706;
constexpr uint32_t kReducedPicture =
    1;  // a bit of the subfile type: a thumbnail of another picture in the file

}  // namespace

// The first directory is the picture. A camera's raw file looks the same, but its first directory is a
// thumbnail, and the picture lies in a sub-directory.
ImageHeader read_tiff_header(std::string_view file_bytes) {
  ImageHeader header{.kind = ImageKind::kTiff};
  Orientation orientation;
  orientation.see_exif(file_bytes);
  bool is_reduced = false, has_more_inside = false;
  const TiffDirectory directory(file_bytes);
  directory.for_each([&](const TiffDirectory::Entry& entry) {
    const uint32_t value = directory.number(entry.value_byte, entry.type == 3 ? 2 : 4);
    if (entry.tag == kWidth) header.width = value;
    if (entry.tag == kHeight) header.height = value;
    if (entry.tag == kXmp)
      orientation.see_xmp(file_bytes.substr(std::min<size_t>(value, file_bytes.size()), entry.count));
    is_reduced = is_reduced || (entry.tag == kSubfileType && (value & kReducedPicture) != 0);
    has_more_inside = has_more_inside || entry.tag == kSubDirectories || entry.tag == kDngVersion;
    return true;
  });
  if (is_reduced && has_more_inside)
    throw UnusableImage("a camera's raw file (what comes first in it is a thumbnail)");
  header.orientation = orientation.value();
  return header;
}

}  // namespace sdlora::data
