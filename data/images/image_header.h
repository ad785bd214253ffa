// What an image file is, read from its first bytes without decoding it: kind, size, orientation. Files that
// must not reach a decoder (too large, cut off, of another kind) are refused here.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "data/images/image_kind.h"

namespace sdlora::data {

// The grey value of a PNG that stands for transparency (its tRNS chunk), which OpenCV drops.
struct TransparentGrey {
  uint16_t value;
  int bits;  // per sample, as stored: 1, 2, 4, 8, 16
};

struct ImageHeader {
  ImageKind kind;
  int64_t width = 0;    // pixels, as stored
  int64_t height = 0;   // before the orientation is applied
  int orientation = 1;  // orientation.h; 1 where the decoder itself turns or says it (HEIC, AVIF, JPEG XL)
  bool is_turned_by_decoder = false;  // a quarter: width and height change places
  std::optional<TransparentGrey> transparent_grey = {};
};

inline constexpr int64_t kMaxSidePixels = 16384;
inline constexpr int64_t kMaxPixels = 300'000'000;

// `bytes`: the whole file. Throws UnusableImage: empty, of another kind (named where it is a known one), cut
// off, larger than the limits above.
ImageHeader read_image_header(std::string_view bytes);

// One per kind; size and orientation are filled in. Throws UnusableImage.
ImageHeader read_png_header(std::string_view bytes);
ImageHeader read_jpeg_header(std::string_view bytes);
ImageHeader read_webp_header(std::string_view bytes);
ImageHeader read_bmp_header(std::string_view bytes);
ImageHeader read_gif_header(std::string_view bytes);
ImageHeader read_tiff_header(std::string_view bytes);
ImageHeader read_heif_header(std::string_view bytes, ImageKind kind);  // HEIC or AVIF
ImageHeader read_jxl_header(std::string_view bytes);

}  // namespace sdlora::data
