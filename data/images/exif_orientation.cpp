#include "data/images/exif_orientation.h"

#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint64_t kEntryBytes = 12;

int read_orientation(const ImageBytes& tiff) {
  const bool is_little = tiff.has_at(0, "II*\0"sv);
  if (!is_little && !tiff.has_at(0, "MM\0*"sv)) return 1;
  const auto number = [&](uint64_t offset, int byte_count) {
    return is_little ? tiff.little_endian(offset, byte_count) : tiff.big_endian(offset, byte_count);
  };
  const uint64_t directory = number(4, 4);
  const uint32_t entry_count = number(directory, 2);
  for (uint32_t entry = 0; entry < entry_count; ++entry) {
    const uint64_t offset = directory + 2 + entry * kEntryBytes;
    if (number(offset, 2) != kOrientationTag) continue;
    const uint32_t orientation = number(offset + 8, 2);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(std::string_view exif) {
  if (exif.starts_with("Exif\0\0"sv)) exif.remove_prefix(6);
  try {
    return read_orientation(ImageBytes(exif));
  } catch (const UnusableImage&) {
    return 1;
  }
}

}  // namespace sdlora::data
