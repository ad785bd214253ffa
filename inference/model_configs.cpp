#include "inference/model_configs.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::inference {
namespace {

using model::ModelPart;

constexpr int64_t kMaxSidePixels = 16384;

void require_equal(const std::string& what, int64_t of_unet, int64_t of_other) {
  if (of_unet == of_other) return;
  throw Error(ExitCode::kBadData, {.what = "the parts of the model do not fit together",
                                   .expected = fmt::format("{} {}, as the UNet has", of_unet, what),
                                   .seen = std::to_string(of_other),
                                   .advice = "use a plain text-to-image model"});
}

}  // namespace

ModelConfigs::ModelConfigs(const model::ModelSource& model)
    : unet(model::UNetConfig::read(model.config_of(ModelPart::kUnet))),
      vae(model::VaeConfig::read(model.config_of(ModelPart::kVae))),
      text(model::ClipTextConfig::read(model.config_of(ModelPart::kTextEncoder))) {
  require_equal("input channels (the VAE's latent channels)", unet.in_channels, vae.latent_channels);
  require_equal("input channels (its own output channels)", unet.in_channels, unet.out_channels);
  for (const model::UNetConfig::Level& level : unet.levels)
    require_equal("channels of a caption token (the text encoder's)", level.context_channels,
                  text.hidden_size);
}

std::vector<int64_t> ModelConfigs::latent_shape(const data::PictureSize& size) const {
  const int64_t cell = vae.downscale();
  const int64_t least = cell << (unet.levels.size() - 1);
  const std::optional<data::LatentSize> latent = data::latent_size(size, cell);
  if (!latent || std::min(size.width, size.height) < least ||
      std::max(size.width, size.height) > kMaxSidePixels)
    throw Error(ExitCode::kUsage, {.what = "the size of the picture does not fit the model",
                                   .expected = fmt::format("--width and --height multiples of {}, {} … {}",
                                                           cell, least, kMaxSidePixels),
                                   .seen = fmt::format("{} x {}", size.width, size.height)});
  return {1, vae.latent_channels, latent->height, latent->width};
}

}  // namespace sdlora::inference
