#include "data/images/image_pixels.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "data/images/avif_image.h"
#include "data/images/captured_stderr.h"
#include "data/images/gif_image.h"
#include "data/images/heic_image.h"
#include "data/images/image_bytes.h"
#include "data/images/image_header.h"
#include "data/images/jxl_image.h"
#include "data/images/picture_fit.h"
#include "data/images/tiff_image.h"
#include "data/images/webp_container.h"

namespace sdlora::data {
namespace {

constexpr int64_t kMaxEnlargedPixels = int64_t{64} << 20;

// libjpeg paints over damage and goes on. Bytes that it merely passes over are harmless; other damage is not.
bool tells_of_damage(const std::string& line) {
  return line.starts_with("Premature end") ||
         (line.starts_with("Corrupt JPEG data") && line.find("extraneous bytes") == std::string::npos);
}

bool is_from_codec(const std::string& line) {
  return line.starts_with("libpng error") || line.starts_with("Corrupt") || line.starts_with("Premature");
}

// As stored: with alpha and 16 bits, not turned, channels in OpenCV's order.
cv::Mat decode_by_opencv(std::string_view bytes) {
  const cv::Mat raw(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
  CapturedStderr captured;
  cv::Mat image;
  try {
    image = cv::imdecode(raw, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception&) {
    image.release();
  }
  for (const std::string& line : captured.take_lines())
    if (tells_of_damage(line) || (image.empty() && is_from_codec(line)))
      throw UnusableImage("damaged: " + line);
  if (image.empty()) throw UnusableImage("damaged: the decoder gave up");
  return image;
}

cv::Mat in_opencv_order(const cv::Mat& rgb) {
  cv::Mat ordered;
  cv::cvtColor(rgb, ordered, rgb.channels() == 4 ? cv::COLOR_RGBA2BGRA : cv::COLOR_RGB2BGR);
  return ordered;
}

// In OpenCV's order of channels.
StoredPicture decode(std::string_view bytes, const ImageHeader& header) {
  const CapturedStderr quiet;  // libjxl talks to itself
  switch (header.kind) {
    case ImageKind::kWebp:
      return {decode_by_opencv(still_webp(bytes)), header.orientation};
    case ImageKind::kGif:
      return {decode_gif(bytes, header)};
    case ImageKind::kTiff:
      return decode_tiff(bytes, header);
    case ImageKind::kHeic:
      return {in_opencv_order(decode_heic(bytes))};
    case ImageKind::kAvif: {
      const StoredPicture stored = decode_avif(bytes);
      return {in_opencv_order(stored.pixels), stored.orientation};
    }
    case ImageKind::kJxl:
      return {in_opencv_order(decode_jxl(bytes))};
    default:
      return {decode_by_opencv(bytes), header.orientation};
  }
}

// 255 where it is the transparent grey, else 0; empty for a picture that is not grey. Fewer than 8 bits come
// as 8 from the decoder.
cv::Mat where_transparent(const cv::Mat& image, const TransparentGrey& grey) {
  if (image.channels() != 1 || (image.depth() != CV_8U && image.depth() != CV_16U)) return {};
  const int value = grey.bits < 8 ? grey.value * 255 / ((1 << grey.bits) - 1) : grey.value;
  return image == value;
}

// 255 where it is opaque, one byte a pixel.
cv::Mat alpha_of(const StoredPicture& stored, ImageKind kind, const cv::Mat& is_transparent_grey) {
  if (!stored.alpha.empty()) return stored.alpha;
  cv::Mat alpha(stored.pixels.size(), CV_8UC1, cv::Scalar(255));
  if (!is_transparent_grey.empty()) alpha.setTo(0, is_transparent_grey);
  if (stored.pixels.channels() != 4 || kind == ImageKind::kBmp) return alpha;
  cv::extractChannel(stored.pixels, alpha, 3);
  if (alpha.depth() == CV_16U) alpha.convertTo(alpha, CV_8U, 1.0 / 257);
  return alpha;
}

cv::Mat turn_upright(const cv::Mat& image, int orientation) {
  cv::Mat upright;
  switch (orientation) {
    case 2:
      cv::flip(image, upright, 1);
      break;
    case 3:
      cv::rotate(image, upright, cv::ROTATE_180);
      break;
    case 4:
      cv::flip(image, upright, 0);
      break;
    case 5:
      cv::transpose(image, upright);
      break;
    case 6:
      cv::rotate(image, upright, cv::ROTATE_90_CLOCKWISE);
      break;
    case 7:
      cv::transpose(image, upright);
      cv::rotate(upright, upright, cv::ROTATE_180);
      break;
    case 8:
      cv::rotate(image, upright, cv::ROTATE_90_COUNTERCLOCKWISE);
      break;
    default:
      upright = image;
  }
  return upright;
}

// BGRA → BGR over white, rounded to nearest
cv::Mat compose_on_white(const cv::Mat& image) {
  cv::Mat composed(image.size(), CV_8UC3);
  for (int row = 0; row < image.rows; ++row) {
    const auto* from = image.ptr<cv::Vec4b>(row);
    auto* to = composed.ptr<cv::Vec3b>(row);
    for (int column = 0; column < image.cols; ++column) {
      const int alpha = from[column][3];
      for (int channel = 0; channel < 3; ++channel)
        to[column][channel] =
            static_cast<uint8_t>((from[column][channel] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  return composed;
}

cv::Mat to_rgb(cv::Mat image, ImageKind kind) {
  if (image.depth() == CV_16U) image.convertTo(image, CV_8U, 1.0 / 257);
  if (image.depth() != CV_8U) throw UnusableImage("pixels of an unknown depth");
  if (image.channels() == 4 && kind != ImageKind::kBmp) image = compose_on_white(image);
  cv::Mat rgb;
  switch (image.channels()) {
    case 1:
      cv::cvtColor(image, rgb, cv::COLOR_GRAY2RGB);
      break;
    case 3:
      cv::cvtColor(image, rgb, cv::COLOR_BGR2RGB);
      break;
    case 4:
      cv::cvtColor(image, rgb, cv::COLOR_BGRA2RGB);
      break;
    default:
      throw UnusableImage(fmt::format("{} channels", image.channels()));
  }
  return rgb;
}

cv::Size cv_size(const PictureSize& size) {
  return {static_cast<int>(size.width), static_cast<int>(size.height)};
}

cv::Mat resize_and_crop(const cv::Mat& image, const PictureFit& fit) {
  if (fit.resized.width * fit.resized.height > kMaxEnlargedPixels)
    throw UnusableImage(fmt::format("{} x {} pixels: too long a strip to enlarge", image.cols, image.rows));
  const cv::Size covering = cv_size(fit.resized);
  cv::Mat resized = image;
  if (covering != image.size())
    cv::resize(image, resized, covering, 0, 0, fit.is_enlarged() ? cv::INTER_LANCZOS4 : cv::INTER_AREA);
  const cv::Point corner(static_cast<int>(fit.left()), static_cast<int>(fit.top()));
  return resized(cv::Rect(corner, cv_size(fit.size))).clone();
}

struct UprightPicture {
  cv::Mat rgb;
  cv::Mat alpha;  // 255 where it is opaque, one byte a pixel; empty where it is not asked for
};

UprightPicture decode_upright(std::string_view bytes, bool wants_alpha) {
  const ImageHeader header = read_image_header(bytes);
  const StoredPicture stored = decode(bytes, header);
  const cv::Mat is_transparent =
      header.transparent_grey ? where_transparent(stored.pixels, *header.transparent_grey) : cv::Mat();
  UprightPicture upright;
  if (wants_alpha)
    upright.alpha = turn_upright(alpha_of(stored, header.kind, is_transparent), stored.orientation);
  cv::Mat pixels = stored.pixels;
  if (!is_transparent.empty()) {
    pixels = pixels.clone();
    pixels.setTo(pixels.depth() == CV_16U ? 65535 : 255, is_transparent);
  }
  upright.rgb = to_rgb(turn_upright(pixels, stored.orientation), header.kind);
  return upright;
}

std::vector<uint8_t> bytes_of(const cv::Mat& image) {
  return {image.datastart, image.dataend};
}

// Whether one is the other made smaller, as well as whole pixels allow.
bool has_same_shape(const PictureSize& left, const PictureSize& right) {
  const int64_t difference = std::abs(left.width * right.height - right.width * left.height);
  return difference <= std::max({left.width, left.height, right.width, right.height});
}

}  // namespace

std::vector<uint8_t> decode_cropped(std::string_view bytes, const PictureSize& size) {
  return decode_cropped(bytes, unplanned_fit(size));
}

std::vector<uint8_t> decode_cropped(std::string_view bytes, const PictureFit& planned) {
  return crop_picture(bytes, planned, /*wants_alpha=*/false).rgb;
}

CroppedPicture crop_picture(std::string_view bytes, const PictureFit& planned, bool wants_alpha) {
  const UprightPicture picture = decode_upright(bytes, wants_alpha);
  const PictureSize original{picture.rgb.cols, picture.rgb.rows};
  if (planned.is_planned() && original != planned.original)
    throw UnusableImage(
        fmt::format("{} pixels, where its header says {}", in_words(original), in_words(planned.original)));
  CroppedPicture cropped{.rgb = {},
                         .fit = planned.is_planned() ? planned : fit_to_cover(original, planned.size)};
  cropped.rgb = bytes_of(resize_and_crop(picture.rgb, cropped.fit));
  if (wants_alpha) cropped.alpha = bytes_of(resize_and_crop(picture.alpha, cropped.fit));
  return cropped;
}

std::vector<uint8_t> crop_mask(std::string_view bytes, const PictureFit& fit) {
  const UprightPicture mask = decode_upright(bytes, /*wants_alpha=*/true);
  const PictureSize size{mask.rgb.cols, mask.rgb.rows};
  if (!has_same_shape(size, fit.original))
    throw UnusableImage(fmt::format("of another shape, {} pixels, than the picture, {}", in_words(size),
                                    in_words(fit.original)));
  cv::Mat red;
  cv::extractChannel(mask.rgb, red, 0);
  cv::subtract(red, 255 - mask.alpha, red);  // the white that shows through
  return bytes_of(resize_and_crop(red, {.original = size, .resized = fit.resized, .size = fit.size}));
}

}  // namespace sdlora::data
