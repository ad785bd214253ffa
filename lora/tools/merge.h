// Several adapters as one: ΔW = Σ w ΔW of each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lora/adapter_file.h"

namespace sdlora::lora {

struct WeightedAdapter {
  AdapterFile adapter;
  double weight;
};

struct Merged {
  AdapterFile adapter;
  double lost_share = 0;  // of the Frobenius norm of all ΔW together, with `rank`
};

// Without `rank` exactly: A stands under A, w s B beside w s B, so the ranks add up (to the weight's shorter
// side at most), whatever they were. With `rank` the greatest singular values of the sum, as many; then
// adapters may also have LoHa, LoKr, Tucker cores and whole differences. Throws Error(kBadData) naming file
// and kind: what depends on the model's weights (DoRA, IA3, GLoRA, whole weights) and biases; without `rank`
// what is no pair; modules of another shape; adapters of different families.
Merged merged(const std::vector<WeightedAdapter>& adapters, std::optional<int64_t> rank);

}  // namespace sdlora::lora
