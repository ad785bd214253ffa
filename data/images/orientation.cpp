#include "data/images/orientation.h"

#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint64_t kEntryBytes = 12;

std::optional<int> checked(uint32_t orientation) {
  if (orientation < 1 || orientation > 8) return std::nullopt;
  return static_cast<int>(orientation);
}

// Bytes of a number of this TIFF type; 0 for what is none.
int byte_count_of(uint32_t type) {
  return type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;
}

std::optional<int> read_orientation(const ImageBytes& tiff) {
  const bool is_little = tiff.has_at(0, "II*\0"sv);
  if (!is_little && !tiff.has_at(0, "MM\0*"sv)) return std::nullopt;
  const auto number = [&](uint64_t offset, int byte_count) {
    return is_little ? tiff.little_endian(offset, byte_count) : tiff.big_endian(offset, byte_count);
  };
  const uint64_t directory = number(4, 4);
  const uint32_t entry_count = number(directory, 2);
  for (uint32_t entry = 0; entry < entry_count; ++entry) {
    const uint64_t offset = directory + 2 + entry * kEntryBytes;
    if (number(offset, 2) == kOrientationTag)
      return checked(number(offset + 8, byte_count_of(number(offset + 2, 2))));
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> exif_orientation(std::string_view exif) {
  if (exif.starts_with("Exif\0\0"sv)) exif.remove_prefix(6);
  try {
    return read_orientation(ImageBytes(exif));
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
