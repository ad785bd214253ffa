// What adapter to train.
#pragma once

#include "common/options.h"
#include "lora/lora_config.h"

namespace sdlora::trainer {

// `init_adapter`: a file whose values training begins with; empty: none.
void declare_adapter(OptionGroup group, lora::LoraConfig& lora, std::filesystem::path& init_adapter);

}  // namespace sdlora::trainer
