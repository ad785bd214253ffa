// What a data set has of one picture, or of its mirror image.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace sdlora::data {

struct Sample {
  at::Tensor latent_mean;  // [4, h, w] f32, not multiplied by the scaling factor
  at::Tensor latent_std;   // [4, h, w] f32
  at::Tensor mask;     // [h, w] f32, 0 … 1: how far each cell counts; undefined in a cache without masks
  std::string source;  // path below its folder; with "reg:" in front of a regularisation picture's, and
                       // " (mirrored)" behind a mirror image's
};

}  // namespace sdlora::data
