#include "data/images/gif_image.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <gif_lib.h>

#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

[[noreturn]] void refuse(const char* what) {
  throw UnusableImage(std::string("damaged: ") + what);
}

int read_bytes(GifFileType* gif, GifByteType* to, int count) {
  auto& left = *static_cast<std::string_view*>(gif->UserData);
  const size_t taken = std::min(left.size(), static_cast<size_t>(count));
  std::memcpy(to, left.data(), taken);
  left.remove_prefix(taken);
  return static_cast<int>(taken);
}

struct ClosingGif {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};

using Gif = std::unique_ptr<GifFileType, ClosingGif>;

// Up to the first frame. Returns its transparent colour, or NO_TRANSPARENT_COLOR.
int find_first_frame(GifFileType* gif) {
  GraphicsControlBlock control{.TransparentColor = NO_TRANSPARENT_COLOR};
  for (;;) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(gif, &type) != GIF_OK) refuse("a GIF that is cut off");
    if (type == IMAGE_DESC_RECORD_TYPE) break;
    if (type != EXTENSION_RECORD_TYPE) refuse("a GIF without a picture");
    int code = 0;
    GifByteType* block = nullptr;  // its length, then that many bytes
    if (DGifGetExtension(gif, &code, &block) != GIF_OK) refuse("a GIF that is cut off");
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr) DGifExtensionToGCB(block[0], block + 1, &control);
    while (block != nullptr)
      if (DGifGetExtensionNext(gif, &block) != GIF_OK) refuse("a GIF that is cut off");
  }
  if (DGifGetImageDesc(gif) != GIF_OK) refuse("a GIF that is cut off");
  return control.TransparentColor;
}

// Colour numbers of the frame.
cv::Mat read_frame(GifFileType* gif) {
  const GifImageDesc& frame = gif->Image;
  cv::Mat numbers(frame.Height, frame.Width, CV_8UC1);

  struct Pass {
    int first, step;
  };

  constexpr std::array kInterlaced = {Pass{0, 8}, Pass{4, 8}, Pass{2, 4}, Pass{1, 2}};
  constexpr std::array kPlain = {Pass{0, 1}};
  const auto read_pass = [&](const Pass& pass) {
    for (int row = pass.first; row < frame.Height; row += pass.step)
      if (DGifGetLine(gif, numbers.ptr(row), frame.Width) != GIF_OK) refuse("a GIF that is cut off");
  };
  if (frame.Interlace)
    for (const Pass& pass : kInterlaced) read_pass(pass);
  else
    for (const Pass& pass : kPlain) read_pass(pass);
  return numbers;
}

}  // namespace

cv::Mat decode_gif(std::string_view bytes, const ImageHeader& header) {
  int error = 0;
  const Gif gif(DGifOpen(&bytes, read_bytes, &error));
  if (!gif) refuse("a GIF whose header is no GIF's");
  const int transparent = find_first_frame(gif.get());
  const GifImageDesc& frame = gif->Image;
  const ColorMapObject* map = frame.ColorMap != nullptr ? frame.ColorMap : gif->SColorMap;
  if (frame.Width < 1 || frame.Height < 1 || map == nullptr) refuse("a GIF without pixels or colours");
  const auto colour_of = [&](int number) -> cv::Vec4b {
    if (number == transparent) return {255, 255, 255, 0};
    if (number >= map->ColorCount) return {0, 0, 0, 255};
    const GifColorType& colour = map->Colors[number];
    return {colour.Blue, colour.Green, colour.Red, 255};
  };
  const cv::Vec4b background = colour_of(transparent == NO_TRANSPARENT_COLOR ? 0 : transparent);
  if (frame.Left + frame.Width > header.width || frame.Top + frame.Height > header.height)
    refuse("a GIF whose frame is not where its header is");
  cv::Mat picture(static_cast<int>(header.height), static_cast<int>(header.width), CV_8UC4,
                  cv::Scalar(background));
  const cv::Mat numbers = read_frame(gif.get());
  for (int row = 0; row < frame.Height; ++row)
    for (int column = 0; column < frame.Width; ++column)
      picture.at<cv::Vec4b>(frame.Top + row, frame.Left + column) =
          colour_of(numbers.at<uint8_t>(row, column));
  return picture;
}

}  // namespace sdlora::data
