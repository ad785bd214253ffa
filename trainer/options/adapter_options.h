// What adapter to train.
#pragma once

#include "common/options.h"
#include "lora/lora_config.h"

namespace sdlora::trainer {

// `max_weight_norm`: bound of what a module adds to its weight; 0: none. `init_adapter`: a file whose values
// training begins with; empty: none.
void declare_adapter(OptionGroup group, lora::LoraConfig& lora, double& max_weight_norm,
                     std::filesystem::path& init_adapter);

}  // namespace sdlora::trainer
