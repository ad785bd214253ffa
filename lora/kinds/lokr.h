// LoKr, a Kronecker product (Edalati et al. 2022; LyCORIS modules/lokr.py): ΔW = s w1 ⊗ w2, each whole or a
// product of two (w2 also with a core). Where both are whole, s is 1 whatever alpha says.
#pragma once

#include <optional>

#include "lora/kinds/module_parts.h"
#include "lora/kinds/weight_change.h"

namespace sdlora::lora {

// The rank that alpha is divided by; none where both factors are whole.
std::optional<int64_t> lokr_rank(const ModuleParts& parts);

// Throws Error(kBadData) for shapes that do not go together.
WeightChange lokr_change(const ModuleParts& parts, double scale);

}  // namespace sdlora::lora
