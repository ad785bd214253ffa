#include "data/images/tiff_image.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include <tiffio.h>

#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

struct Source {
  std::string_view bytes;
  toff_t at = 0;
};

tmsize_t read_bytes(thandle_t handle, void* to, tmsize_t count) {
  auto& source = *static_cast<Source*>(handle);
  if (source.at >= source.bytes.size()) return 0;
  const size_t taken = std::min(static_cast<size_t>(count), source.bytes.size() - source.at);
  std::memcpy(to, source.bytes.data() + source.at, taken);
  source.at += taken;
  return static_cast<tmsize_t>(taken);
}

tmsize_t write_bytes(thandle_t, void*, tmsize_t) {
  return 0;
}

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  auto& source = *static_cast<Source*>(handle);
  const toff_t base = whence == SEEK_CUR ? source.at : whence == SEEK_END ? source.bytes.size() : 0;
  return source.at = base + offset;
}

int close(thandle_t) {
  return 0;
}

toff_t byte_count(thandle_t handle) {
  return static_cast<Source*>(handle)->bytes.size();
}

struct ClosingTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};

class RgbaReader {
 public:
  explicit RgbaReader(TIFF* tiff) {
    std::array<char, 1024> reason{};
    if (TIFFRGBAImageOK(tiff, reason.data()) == 0 ||
        TIFFRGBAImageBegin(&image_, tiff, /*stop_on_error=*/1, reason.data()) == 0)
      throw UnusableImage(std::string("a TIFF of a kind that is not read: ") + reason.data());
    image_.req_orientation = image_.orientation;  // rows as they are stored
  }

  RgbaReader(const RgbaReader&) = delete;
  RgbaReader& operator=(const RgbaReader&) = delete;

  ~RgbaReader() { TIFFRGBAImageEnd(&image_); }

  // RGBA; of pictures without alpha, 255.
  cv::Mat read() {
    cv::Mat pixels(static_cast<int>(image_.height), static_cast<int>(image_.width), CV_8UC4);
    if (TIFFRGBAImageGet(&image_, pixels.ptr<uint32_t>(), image_.width, image_.height) == 0)
      throw UnusableImage("damaged: a TIFF whose pixels cannot be read");
    return pixels;
  }

 private:
  TIFFRGBAImage image_{};
};

template <typename Number>
Number field(TIFF* tiff, ttag_t tag) {
  Number value{};
  TIFFGetFieldDefaulted(tiff, tag, &value);
  return value;
}

enum class Alpha { kNone, kMultiplied, kStraight };

// How alpha stands in what libtiff gives: it multiplies a straight one in, but not into grey. A fourth
// channel that the file does not explain is straight alpha, as Pillow takes it; one "unspecified", a saved
// selection, is none.
Alpha alpha_of(TIFF* tiff) {
  uint16_t extra_count = 0;
  const uint16_t* extra_kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra_count, &extra_kinds);
  const auto sample_count = field<uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL);
  if (extra_count == 0)
    return sample_count == 4 && field<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC) == PHOTOMETRIC_RGB
               ? Alpha::kStraight
               : Alpha::kNone;
  if (extra_kinds[0] == EXTRASAMPLE_UNSPECIFIED) return Alpha::kNone;
  return extra_kinds[0] == EXTRASAMPLE_UNASSALPHA && sample_count == 2 ? Alpha::kStraight
                                                                       : Alpha::kMultiplied;
}

uint8_t over_white(int value, int alpha, Alpha kind) {
  switch (kind) {
    case Alpha::kMultiplied:
      return cv::saturate_cast<uint8_t>(value + 255 - alpha);
    case Alpha::kStraight:
      return static_cast<uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
    case Alpha::kNone:
      break;
  }
  return static_cast<uint8_t>(value);
}

// libtiff itself would drop the lower half of such a picture's bits.
bool is_wide_grey(TIFF* tiff) {
  const auto photometric = field<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC);
  return field<uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE) == 16 &&
         field<uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL) == 1 &&
         field<uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT) == SAMPLEFORMAT_UINT && TIFFIsTiled(tiff) == 0 &&
         (photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE);
}

// Grey, u16.
cv::Mat read_wide_grey(TIFF* tiff) {
  cv::Mat picture(static_cast<int>(field<uint32_t>(tiff, TIFFTAG_IMAGELENGTH)),
                  static_cast<int>(field<uint32_t>(tiff, TIFFTAG_IMAGEWIDTH)), CV_16UC1);
  if (TIFFScanlineSize(tiff) != static_cast<tmsize_t>(picture.step[0]))
    throw UnusableImage("damaged: a TIFF whose rows do not fit its size");
  for (int row = 0; row < picture.rows; ++row)
    if (TIFFReadScanline(tiff, picture.ptr(row), static_cast<uint32_t>(row), 0) != 1)
      throw UnusableImage("damaged: a TIFF whose pixels cannot be read");
  if (field<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC) == PHOTOMETRIC_MINISWHITE) cv::bitwise_not(picture, picture);
  return picture;
}

}  // namespace

StoredPicture decode_tiff(std::string_view bytes, const ImageHeader& header) {
  TIFFSetWarningHandler(nullptr);
  TIFFSetErrorHandler(nullptr);
  Source source{.bytes = bytes};
  const std::unique_ptr<TIFF, ClosingTiff> tiff(TIFFClientOpen(
      "a picture", "rm", &source, read_bytes, write_bytes, seek, close, byte_count, nullptr, nullptr));
  if (!tiff) throw UnusableImage("damaged: a TIFF without a directory");
  if (field<uint32_t>(tiff.get(), TIFFTAG_IMAGEWIDTH) != header.width ||
      field<uint32_t>(tiff.get(), TIFFTAG_IMAGELENGTH) != header.height)
    throw UnusableImage("damaged: a TIFF of two sizes");
  if (is_wide_grey(tiff.get())) return {read_wide_grey(tiff.get()), header.orientation};
  const Alpha alpha = alpha_of(tiff.get());
  const cv::Mat rgba = RgbaReader(tiff.get()).read();
  StoredPicture picture{cv::Mat(rgba.size(), CV_8UC3), header.orientation};
  for (int row = 0; row < rgba.rows; ++row) {
    const auto* from = rgba.ptr<cv::Vec4b>(row);
    auto* to = picture.pixels.ptr<cv::Vec3b>(row);
    for (int column = 0; column < rgba.cols; ++column)
      for (int channel = 0; channel < 3; ++channel)
        to[column][channel] = over_white(from[column][2 - channel], from[column][3], alpha);
  }
  if (alpha != Alpha::kNone) cv::extractChannel(rgba, picture.alpha, 3);
  return picture;
}

}  // namespace sdlora::data
