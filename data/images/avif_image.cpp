#include "data/images/avif_image.h"

#include <array>
#include <memory>
#include <string>

#include <avif/avif.h>

#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

struct Destroying {
  void operator()(avifDecoder* decoder) const { avifDecoderDestroy(decoder); }
};

void check(avifResult result) {
  if (result == AVIF_RESULT_OK) return;
  throw UnusableImage(std::string("damaged: an AVIF whose decoder says ") + avifResultToString(result));
}

// ISO 23008-12, 6.5.10 and 6.5.12: first quarter turns against the clock, then a mirror; as EXIF numbers
// them.
int orientation_of(const avifImage& image) {
  struct Turn {
    int plain, top_to_bottom, left_to_right;
  };

  constexpr std::array<Turn, 4> kTurns = {Turn{1, 4, 2}, Turn{8, 5, 7}, Turn{3, 2, 4}, Turn{6, 7, 5}};
  const int quarters = (image.transformFlags & AVIF_TRANSFORM_IROT) != 0 ? image.irot.angle & 3 : 0;
  const Turn& turn = kTurns[static_cast<size_t>(quarters)];
  if ((image.transformFlags & AVIF_TRANSFORM_IMIR) == 0) return turn.plain;
  return image.imir.mode == 0 ? turn.top_to_bottom : turn.left_to_right;
}

}  // namespace

StoredPicture decode_avif(std::string_view bytes) {
  const std::unique_ptr<avifDecoder, Destroying> decoder(avifDecoderCreate());
  decoder->strictFlags = AVIF_STRICT_DISABLED;
  decoder->ignoreExif = decoder->ignoreXMP = AVIF_TRUE;
  check(avifDecoderSetIOMemory(decoder.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  check(avifDecoderParse(decoder.get()));
  check(avifDecoderNextImage(decoder.get()));
  const avifImage& image = *decoder->image;
  cv::Mat pixels(static_cast<int>(image.height), static_cast<int>(image.width),
                 decoder->alphaPresent ? CV_8UC4 : CV_8UC3);
  avifRGBImage rgb;
  avifRGBImageSetDefaults(&rgb, &image);
  rgb.depth = 8;
  rgb.format = decoder->alphaPresent ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
  rgb.pixels = pixels.data;
  rgb.rowBytes = static_cast<uint32_t>(pixels.step);
  check(avifImageYUVToRGB(&image, &rgb));
  return {pixels, orientation_of(image)};
}

}  // namespace sdlora::data
