// Every module with weights that the UNet has, under the names of diffusers and of the original code base
// (LDM, CompVis/stable-diffusion, ldm/modules/diffusionmodules/openaimodel.py). There the blocks of a side
// are numbered through: with R_l resnets on level l, level l begins on the way down at input block 1 +
// Σ_{i<l} (R_i + 1), and the u-th block of the way up, which is on level L-1-u, at output block Σ_{i<u}
// (R_{L-1-i} + 1).
#pragma once

#include <string>
#include <vector>

#include "model/unet/unet_config.h"

namespace sdlora::model {

struct UNetModule {
  std::string path;            // "down_blocks.0.resnets.0.conv1"
  std::string ldm_path;        // "input_blocks.1.0.in_layers.2"
  std::vector<int64_t> shape;  // of its weight
};

// In the order of diffusers' named_modules: in each block attentions before resnets; down, up, mid.
std::vector<UNetModule> unet_modules_of(const UNetConfig& unet);

}  // namespace sdlora::model
