#include "data/images/jxl_image.h"

#include <jxl/decode_cxx.h>

#include "data/images/image_bytes.h"

namespace sdlora::data {

cv::Mat decode_jxl(std::string_view bytes) {
  const JxlDecoderPtr decoder = JxlDecoderMake(nullptr);
  JxlDecoderSubscribeEvents(decoder.get(), JXL_DEC_BASIC_INFO | JXL_DEC_FULL_IMAGE);
  JxlDecoderSetUnpremultiplyAlpha(decoder.get(), JXL_TRUE);
  JxlDecoderSetInput(decoder.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  JxlDecoderCloseInput(decoder.get());
  constexpr JxlPixelFormat kRgba{
      .num_channels = 4, .data_type = JXL_TYPE_UINT8, .endianness = JXL_NATIVE_ENDIAN, .align = 0};
  cv::Mat picture;
  for (;;) {
    switch (JxlDecoderProcessInput(decoder.get())) {
      case JXL_DEC_BASIC_INFO: {
        JxlBasicInfo info{};
        if (JxlDecoderGetBasicInfo(decoder.get(), &info) != JXL_DEC_SUCCESS)
          throw UnusableImage("damaged: a JPEG XL without its header");
        picture.create(static_cast<int>(info.ysize), static_cast<int>(info.xsize), CV_8UC4);
        break;
      }
      case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
        if (JxlDecoderSetImageOutBuffer(decoder.get(), &kRgba, picture.data,
                                        picture.total() * picture.elemSize()) != JXL_DEC_SUCCESS)
          throw UnusableImage("damaged: a JPEG XL of another size than it says");
        break;
      case JXL_DEC_FULL_IMAGE:
        return picture;
      case JXL_DEC_NEED_MORE_INPUT:
        throw UnusableImage("a JPEG XL that is cut off");
      default:
        throw UnusableImage("damaged: the decoder gave up");
    }
  }
}

}  // namespace sdlora::data
