#include "data/images/orientation.h"

#include "data/images/tiff_directory.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

constexpr uint32_t kOrientationTag = 0x0112;

std::optional<int> checked(uint32_t orientation) {
  if (orientation < 1 || orientation > 8) return std::nullopt;
  return static_cast<int>(orientation);
}

// Bytes of a number of this TIFF type; 0 for what is none.
int byte_count_of(uint32_t type) {
  return type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;
}

std::optional<int> read_orientation(std::string_view tiff) {
  if (!tiff.starts_with("II*\0"sv) && !tiff.starts_with("MM\0*"sv)) return std::nullopt;
  std::optional<int> orientation;
  const TiffDirectory directory(tiff);
  directory.for_each([&](const TiffDirectory::Entry& entry) {
    if (entry.tag != kOrientationTag) return true;
    orientation = checked(directory.number(entry.value_byte, byte_count_of(entry.type)));
    return false;
  });
  return orientation;
}

}  // namespace

std::optional<int> exif_orientation(std::string_view exif) {
  if (exif.starts_with("Exif\0\0"sv)) exif.remove_prefix(6);
  try {
    return read_orientation(exif);
  } catch (const UnusableImage&) {
    return std::nullopt;
  }
}

std::optional<int> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = 0; (at = xmp.find(kName, at)) != std::string_view::npos;) {
    at += kName.size();
    std::string_view rest = xmp.substr(at);
    if (rest.starts_with("=\"") || rest.starts_with("='"))
      rest.remove_prefix(2);
    else if (rest.starts_with(">"))
      rest.remove_prefix(1);
    else
      continue;
    if (!rest.empty()) return checked(static_cast<uint32_t>(static_cast<unsigned char>(rest[0]) - '0'));
  }
  return std::nullopt;
}

}  // namespace sdlora::data
