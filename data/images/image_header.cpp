#include "data/images/image_header.h"

#include <cstdlib>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "data/images/exif_orientation.h"
#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n"sv;

std::optional<ImageKind> kind_of(const ImageBytes& bytes) {
  if (bytes.has_at(0, kPngSignature)) return ImageKind::kPng;
  if (bytes.has_at(0, "\xFF\xD8\xFF"sv)) return ImageKind::kJpeg;
  if (bytes.has_at(0, "RIFF"sv) && bytes.has_at(8, "WEBP"sv)) return ImageKind::kWebp;
  if (bytes.has_at(0, "BM"sv)) return ImageKind::kBmp;
  return std::nullopt;
}

const char* name_of_other_kind(const ImageBytes& bytes) {
  if (bytes.has_at(0, "GIF8"sv)) return "a GIF";
  if (bytes.has_at(0, "II*\0"sv) || bytes.has_at(0, "MM\0*"sv)) return "a TIFF or a camera's raw file";
  if (bytes.has_at(4, "ftyp"sv)) return "an AVIF, HEIC or video file";
  if (bytes.has_at(0, "\xFF\x0A"sv) || bytes.has_at(4, "JXL "sv)) return "a JPEG XL";
  return "not an image";
}

// Chunks: length (4), type (4), data, checksum (4); PNG specification, section 5.
ImageHeader read_png_header(const ImageBytes& bytes) {
  ImageHeader header{.kind = ImageKind::kPng};
  if (!bytes.has_at(12, "IHDR"sv)) throw UnusableImage("a PNG without its header");
  header.width = bytes.big_endian(16, 4);
  header.height = bytes.big_endian(20, 4);
  uint64_t offset = kPngSignature.size();
  while (offset + 8 <= bytes.size() && !bytes.has_at(offset + 4, "IEND"sv)) {
    const uint64_t length = bytes.big_endian(offset, 4);
    if (bytes.has_at(offset + 4, "eXIf"sv))
      header.orientation = exif_orientation(bytes.slice(offset + 8, length));
    offset += 12 + length;
  }
  return header;
}

// BITMAPINFOHEADER and its successors, or the older 12-byte BITMAPCOREHEADER. A negative height means
// top-down rows.
ImageHeader read_bmp_header(const ImageBytes& bytes) {
  const bool is_core = bytes.little_endian(14, 4) == 12;
  const auto side = [&](int index) -> int64_t {
    if (is_core) return bytes.little_endian(18 + 2 * static_cast<uint64_t>(index), 2);
    return std::llabs(static_cast<int32_t>(bytes.little_endian(18 + 4 * static_cast<uint64_t>(index), 4)));
  };
  return {.kind = ImageKind::kBmp, .width = side(0), .height = side(1)};
}

void check_limits(const ImageHeader& header) {
  if (header.width < 1 || header.height < 1)
    throw UnusableImage(fmt::format("{} x {} pixels: nothing to see", header.width, header.height));
  if (header.width > kMaxSidePixels || header.height > kMaxSidePixels ||
      header.width * header.height > kMaxPixels)
    throw UnusableImage(fmt::format("{} x {} pixels: more than {} along a side or {} million in all",
                                    header.width, header.height, kMaxSidePixels, kMaxPixels >> 20));
}

}  // namespace

bool is_supported_image(std::string_view first_bytes) {
  return kind_of(ImageBytes(first_bytes)).has_value();
}

ImageHeader read_image_header(std::string_view file_bytes) {
  const ImageBytes bytes(file_bytes);
  if (bytes.size() == 0) throw UnusableImage("an empty file");
  const std::optional<ImageKind> kind = kind_of(bytes);
  if (!kind)
    throw UnusableImage(std::string(name_of_other_kind(bytes)) + ": PNG, JPEG, WebP and BMP are read");
  ImageHeader header;
  switch (*kind) {
    case ImageKind::kPng:
      header = read_png_header(bytes);
      break;
    case ImageKind::kJpeg:
      header = read_jpeg_header(file_bytes);
      break;
    case ImageKind::kWebp:
      header = read_webp_header(file_bytes);
      break;
    case ImageKind::kBmp:
      header = read_bmp_header(bytes);
      break;
  }
  check_limits(header);
  return header;
}

}  // namespace sdlora::data
