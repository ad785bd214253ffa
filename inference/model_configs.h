// What a model's config files say about pictures, before any weights are loaded.
#pragma once

#include <cstdint>
#include <vector>

#include "data/images/picture_size.h"
#include "model/model_source.h"

namespace sdlora::inference {

struct ModelConfigs {
  model::UNetConfig unet;
  model::VaeConfig vae;
  model::ClipTextConfig text;

  // Throws Error(kBadData) when the parts do not fit together, for example an inpainting UNet.
  explicit ModelConfigs(const model::ModelSource& model);

  // {1, 4, h, w} of one picture. Throws Error(kUsage) for a size that the model cannot draw.
  std::vector<int64_t> latent_shape(const data::PictureSize& size) const;
};

}  // namespace sdlora::inference
