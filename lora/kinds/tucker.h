// LoCon with a core between its factors (LyCORIS modules/locon.py, use_tucker):
// ΔW[o, c, k, l] = s Σ_ij up[o, i] mid[i, j, k, l] down[j, c].
#pragma once

#include "lora/kinds/module_parts.h"
#include "lora/kinds/weight_change.h"

namespace sdlora::lora {

// Σ_ij left[i, o] core[i, j, …] right[j, c] → [o, c, …]
at::Tensor tucker_product(const at::Tensor& core, const at::Tensor& left, const at::Tensor& right);

// The rank that alpha is divided by.
int64_t tucker_rank(const ModuleParts& parts);

// Throws Error(kBadData) for shapes that do not go together.
WeightChange tucker_change(const ModuleParts& parts, double scale);

}  // namespace sdlora::lora
