// The names of the original code base (unet_modules.h) for the tensors of a UNet.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "model/unet/unet_config.h"

namespace sdlora::model {

class LdmUnetNames {
 public:
  explicit LdmUnetNames(const UNetConfig& config);

  // "input_blocks.1.0.in_layers.0.weight" → "down_blocks.0.resnets.0.norm1.weight". Nothing for a name that
  // the architecture does not have.
  std::optional<std::string> diffusers_name(const std::string& ldm_name) const;

 private:
  std::map<std::string, std::string> paths_;  // of modules, by LDM's path
};

}  // namespace sdlora::model
