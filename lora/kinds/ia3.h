// IA³ (Liu et al. 2022): outputs or inputs of a weight are multiplied.
//
//   LyCORIS modules/ia3.py     ΔW = W ⊙ w, over the inputs where on_input says so, else over the outputs
//   PEFT tuners/ia3/layer.py   W' = W ⊙ l, the axis by l's shape or the weight's; of the outputs the bias, too
#pragma once

#include "lora/kinds/module_change.h"
#include "lora/kinds/module_parts.h"

namespace sdlora::lora {

// Throws Error(kBadData) for parts that are not numbers.
ModuleChange ia3_change(const ModuleParts& parts);
ModuleChange peft_ia3_change(const ModuleParts& parts);

}  // namespace sdlora::lora
