// GLoRA (Chavan et al. 2023; LyCORIS modules/glora.py): ΔW = s (b1 b2 + W a1 a2), W's inputs multiplied by
// a1 a2; with bm a core stands between b1 and b2. Files until 2023 have the factors in the other order,
// b2 b1 and a2 a1, which their shapes tell (ComfyUI comfy/weight_adapter/glora.py).
#pragma once

#include "lora/kinds/module_parts.h"
#include "lora/kinds/weight_change.h"

namespace sdlora::lora {

// The rank that alpha is divided by.
int64_t glora_rank(const ModuleParts& parts);

// Throws Error(kBadData) for shapes that do not go together.
WeightChange glora_change(const ModuleParts& parts, double scale);

}  // namespace sdlora::lora
