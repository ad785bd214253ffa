#include "inference/pixels.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "common/error.h"
#include "data/images/image_bytes.h"
#include "data/images/image_file.h"
#include "data/images/image_kind.h"
#include "data/images/image_pixels.h"
#include "data/images/vae_pixels.h"

namespace sdlora::inference {

at::Tensor load_picture(const std::filesystem::path& file, const data::PictureSize& size) {
  try {
    std::vector<uint8_t> rgb = data::decode_cropped(data::read_image_file(file), size);
    return data::vae_pixels(at::from_blob(rgb.data(), {size.height, size.width, 3}, at::kByte));
  } catch (const data::UnusableImage& reason) {
    std::error_code ignored;
    throw Error(std::filesystem::exists(file, ignored) ? ExitCode::kBadData : ExitCode::kIo,
                {.what = "cannot use the picture to start from",
                 .expected = std::string("a file of ") + data::kReadKinds,
                 .seen = reason.what(),
                 .where = file.string(),
                 .advice = "check --init-image"});
  }
}

at::Tensor encode_picture(const model::Vae& vae, const at::Tensor& pixels, at::Device device) {
  const c10::NoGradGuard no_gradients;
  return (vae.encode(pixels.unsqueeze(0).to(device)).mean * vae.config().scaling_factor).cpu();
}

at::Tensor decode_picture(const model::Vae& vae, const at::Tensor& latents, at::Device device) {
  const c10::NoGradGuard no_gradients;
  const at::Tensor pixels = vae.decode(latents.to(device) / vae.config().scaling_factor)[0];  // [3, H, W]
  if (!at::isfinite(pixels).all().item<bool>())
    throw Error(
        ExitCode::kDiverged,
        {.what = "a picture came out as values that are not finite",
         .expected = "numbers; a picture without them would be black",
         .seen = at::isfinite(latents).all().item<bool>() ? "latents that the VAE cannot decode"
                                                          : "latents that are NaN or infinite",
         .advice = "lower --lora-scale or --guidance-scale; with --mixed-precision fp16 try bf16 or no"});
  return ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(at::kByte).permute({1, 2, 0}).contiguous().cpu();
}

}  // namespace sdlora::inference
