#include "inference/model_configs.h"

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::inference {
namespace {

constexpr int64_t kMaxSidePixels = 16384;

model::ModelConfig config_of(const model::ModelDirectory& directory, const std::string& part) {
  return model::ModelConfig(directory.path() / part / "config.json");
}

void require_equal(const std::string& what, int64_t of_unet, int64_t of_other) {
  if (of_unet == of_other) return;
  throw Error(ExitCode::kBadData, {.what = "the parts of the model do not fit together",
                                   .expected = fmt::format("{} {}, as the UNet has", of_unet, what),
                                   .seen = std::to_string(of_other),
                                   .advice = "use a plain text-to-image model"});
}

}  // namespace

ModelConfigs::ModelConfigs(const model::ModelDirectory& directory)
    : unet(model::UNetConfig::read(config_of(directory, "unet"))),
      vae(model::VaeConfig::read(config_of(directory, "vae"))),
      text(model::ClipTextConfig::read(config_of(directory, "text_encoder"))) {
  require_equal("input channels (the VAE's latent channels)", unet.in_channels, vae.latent_channels);
  for (const model::UNetConfig::Level& level : unet.levels)
    require_equal("channels of a caption token (the text encoder's)", level.context_channels,
                  text.hidden_size);
}

std::vector<int64_t> ModelConfigs::latent_shape(int64_t width_pixels, int64_t height_pixels) const {
  const int64_t cell = vae.downscale();
  const int64_t least = cell << (unet.levels.size() - 1);
  for (const int64_t side : {width_pixels, height_pixels})
    if (side < least || side > kMaxSidePixels || side % cell != 0)
      throw Error(ExitCode::kUsage, {.what = "the size of the picture does not fit the model",
                                     .expected = fmt::format("--width and --height multiples of {}, {} … {}",
                                                             cell, least, kMaxSidePixels),
                                     .seen = fmt::format("{} x {}", width_pixels, height_pixels)});
  return {1, vae.latent_channels, height_pixels / cell, width_pixels / cell};
}

}  // namespace sdlora::inference
