// Differences of whole weights, biases and norms (LyCORIS modules/full.py, norms.py: diff, diff_b, w_norm,
// b_norm), and weights in place of the model's (ComfyUI's set_weight).
#pragma once

#include "lora/kinds/module_change.h"
#include "lora/kinds/module_parts.h"

namespace sdlora::lora {

// Throws Error(kBadData) for parts that are not numbers.
ModuleChange full_change(const ModuleParts& parts);

// PEFT's modules_to_save: weight and bias in place of the model's. Throws as full_change().
ModuleChange peft_whole_change(const ModuleParts& parts);

// What is added to a bias as it is: f32 [out].
void add_to_bias(ModuleChange& change, const at::Tensor& difference);

}  // namespace sdlora::lora
