// What adapter to train.
#pragma once

#include "common/options.h"
#include "lora/lora_config.h"

namespace sdlora::trainer {

void declare_adapter(OptionGroup group, lora::LoraConfig& lora);

}  // namespace sdlora::trainer
