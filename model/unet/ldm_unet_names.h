// The names of the original code base (CompVis/stable-diffusion, ldm/modules/diffusionmodules/openaimodel.py)
// for the UNet's blocks. There the blocks of a side are numbered through: with R_l resnets on level l, level
// l begins on the way down at input block 1 + Σ_{i<l} (R_i + 1), and the u-th block of the way up, which is
// on level L-1-u, at output block Σ_{i<u} (R_{L-1-i} + 1).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "model/unet/unet_config.h"

namespace sdlora::model {

class LdmUnetNames {
 public:
  explicit LdmUnetNames(const UNetConfig& config);

  // "input_blocks.1.0.in_layers.0.weight" → "down_blocks.0.resnets.0.norm1.weight"; also of a module, without
  // ".weight". Nothing for a name that the architecture does not have.
  std::optional<std::string> diffusers_name(const std::string& ldm_name) const;

 private:
  enum class Kind { kResnet, kTransformer, kDownsampler, kUpsampler };

  struct Block {
    Kind kind;
    std::string path;  // in diffusers: "down_blocks.0.resnets.0"
  };

  void add_level_down(const UNetConfig::Level& level, size_t index, bool is_last);
  void add_level_up(const UNetConfig::Level& level, size_t up_index, bool is_last);

  std::map<std::string, Block> blocks_;  // by LDM's path: "input_blocks.1.0"
  int64_t next_input_block_ = 1;         // 0 is conv_in
  int64_t next_output_block_ = 0;
};

}  // namespace sdlora::model
