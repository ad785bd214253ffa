#include "data/images/heic_image.h"

#include <memory>
#include <string>

#include <libheif/heif.h>

#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

template <auto kFree>
struct Freeing {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

template <typename T, auto kFree>
using Owned = std::unique_ptr<T, Freeing<kFree>>;

void check(const heif_error& error) {
  if (error.code == heif_error_Ok) return;
  const std::string reason = error.message == nullptr ? "unknown" : error.message;
  throw UnusableImage(
      (error.code == heif_error_Unsupported_feature || error.code == heif_error_Unsupported_filetype
           ? "a HEIC of a kind that is not read: "
           : "damaged: ") +
      reason);
}

}  // namespace

cv::Mat decode_heic(std::string_view bytes) {
  const Owned<heif_context, heif_context_free> context(heif_context_alloc());
  check(heif_context_read_from_memory_without_copy(context.get(), bytes.data(), bytes.size(), nullptr));
  heif_image_handle* primary = nullptr;
  check(heif_context_get_primary_image_handle(context.get(), &primary));
  const Owned<heif_image_handle, heif_image_handle_release> handle(primary);
  const bool has_alpha = heif_image_handle_has_alpha_channel(handle.get()) != 0;
  const Owned<heif_decoding_options, heif_decoding_options_free> options(heif_decoding_options_alloc());
  options->convert_hdr_to_8bit = 1;
  heif_image* decoded = nullptr;
  check(heif_decode_image(handle.get(), &decoded, heif_colorspace_RGB,
                          has_alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB,
                          options.get()));
  const Owned<heif_image, heif_image_release> image(decoded);
  int bytes_per_row = 0;
  const uint8_t* pixels =
      heif_image_get_plane_readonly(image.get(), heif_channel_interleaved, &bytes_per_row);
  if (pixels == nullptr) throw UnusableImage("damaged: a HEIC without pixels");
  const cv::Mat view(heif_image_get_height(image.get(), heif_channel_interleaved),
                     heif_image_get_width(image.get(), heif_channel_interleaved),
                     has_alpha ? CV_8UC4 : CV_8UC3, const_cast<uint8_t*>(pixels),
                     static_cast<size_t>(bytes_per_row));
  return view.clone();
}

}  // namespace sdlora::data
