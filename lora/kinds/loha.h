// LoHa, the Hadamard product of two low ranks (Hyeon-Woo et al. 2021; LyCORIS modules/loha.py):
// ΔW = s (w1_a w1_b) ⊙ (w2_a w2_b), each factor with a core t where the file has one:
// Σ_ij t[i, j, …] w_a[i, o] w_b[j, c].
#pragma once

#include "lora/kinds/module_parts.h"
#include "lora/kinds/weight_change.h"

namespace sdlora::lora {

// The rank that alpha is divided by.
int64_t loha_rank(const ModuleParts& parts);

// Throws Error(kBadData) for shapes that do not go together.
WeightChange loha_change(const ModuleParts& parts, double scale);

}  // namespace sdlora::lora
