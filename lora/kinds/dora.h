// DoRA (Liu et al. 2024): the merged weight V = W + ΔW, each of its rows or columns brought to a length of
// its own: W' = V ⊙ magnitude / ‖V‖. Which of both, the magnitude's shape tells:
//
//   [out, 1(, 1, 1)], [out]   rows: LyCORIS since April 2025, PEFT (modules/locon.py; tuners/lora/dora.py)
//   [1, out, 1, 1]            rows: PEFT's of convolutions
//   [1, in(, 1, 1)]           columns: LyCORIS before, OneTrainer, kohya
#pragma once

#include <optional>

#include "lora/kinds/low_rank.h"
#include "lora/kinds/module_parts.h"
#include "lora/kinds/weight_change.h"

namespace sdlora::lora {

// A branch with a magnitude for each output, which can be trained on and converted.
struct DoraPair {
  LowRankPair pair;
  at::Tensor magnitude;  // f32 [out]
};

// The magnitude f32 that `parts` has for each of `output_count` outputs; nothing: it is of columns. Throws
// Error(kBadData) as dora_change(), and for another number of outputs.
std::optional<at::Tensor> row_magnitude(const ModuleParts& parts, int64_t output_count);

// `change` with the magnitude that `parts` has. Of it the strength m takes a part as of any: W + m (W' - W),
// as ComfyUI and AUTOMATIC1111 do. Throws Error(kBadData) for a magnitude of no such shape.
WeightChange dora_change(const ModuleParts& parts, WeightChange change);

}  // namespace sdlora::lora
