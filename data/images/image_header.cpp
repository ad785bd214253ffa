#include "data/images/image_header.h"

#include <cstdlib>

#include <fmt/format.h>

#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

ImageHeader read_header_of(ImageKind kind, std::string_view bytes) {
  switch (kind) {
    case ImageKind::kPng:
      return read_png_header(bytes);
    case ImageKind::kJpeg:
      return read_jpeg_header(bytes);
    case ImageKind::kWebp:
      return read_webp_header(bytes);
    case ImageKind::kBmp:
      return read_bmp_header(bytes);
    case ImageKind::kGif:
      return read_gif_header(bytes);
    case ImageKind::kTiff:
      return read_tiff_header(bytes);
    case ImageKind::kHeic:
    case ImageKind::kAvif:
      return read_heif_header(bytes, kind);
    case ImageKind::kJxl:
      break;
  }
  return read_jxl_header(bytes);
}

void check_limits(const ImageHeader& header) {
  if (header.width < 1 || header.height < 1)
    throw UnusableImage(fmt::format("{} x {} pixels: nothing to see", header.width, header.height));
  if (header.width > kMaxSidePixels || header.height > kMaxSidePixels ||
      header.width * header.height > kMaxPixels)
    throw UnusableImage(fmt::format("{} x {} pixels: more than {} along a side or {} million in all",
                                    header.width, header.height, kMaxSidePixels, kMaxPixels / 1'000'000));
}

}  // namespace

// BITMAPINFOHEADER and its successors, or the older 12-byte BITMAPCOREHEADER. A negative height means
// top-down rows.
ImageHeader read_bmp_header(std::string_view file_bytes) {
  const ImageBytes bytes(file_bytes);
  const bool is_core = bytes.little_endian(14, 4) == 12;
  const auto side = [&](int index) -> int64_t {
    if (is_core) return bytes.little_endian(18 + 2 * static_cast<uint64_t>(index), 2);
    return std::llabs(static_cast<int32_t>(bytes.little_endian(18 + 4 * static_cast<uint64_t>(index), 4)));
  };
  return {.kind = ImageKind::kBmp, .width = side(0), .height = side(1)};
}

ImageHeader read_image_header(std::string_view bytes) {
  if (bytes.empty()) throw UnusableImage("an empty file");
  const std::optional<ImageKind> kind = kind_of(bytes);
  if (!kind) throw UnusableImage(name_of_other_kind(bytes) + ": " + kReadKinds + " are read");
  const ImageHeader header = read_header_of(*kind, bytes);
  check_limits(header);
  return header;
}

}  // namespace sdlora::data
