// LoRA and LoCon (Hu et al. 2021): ΔW = s B A, s = alpha / r; and what has a form of it: AdaLoRA (Zhang et
// al. 2023), ΔW = alpha / (r + 1e-5) B diag(E) A (PEFT tuners/adalora/layer.py).
#pragma once

#include <ATen/core/Tensor.h>

#include "lora/kinds/module_parts.h"
#include "lora/kinds/weight_change.h"

namespace sdlora::lora {

// One module's branch, (alpha / r) B A.
struct LowRankPair {
  at::Tensor a;  // fp32 [r, in]; of a convolution [r, in, k, k]
  at::Tensor b;  // fp32 [out, r]; of a convolution [out, r, 1, 1]
  double alpha;
  std::vector<std::string> tensor_names;  // in the file: A, B, and alpha where there is one

  int64_t rank() const { return a.size(0); }

  double scale() const { return alpha / static_cast<double>(rank()); }

  // More than a matrix: a kernel that sees neighbours.
  bool has_spatial_kernel() const { return a.dim() == 4 && (a.size(2) > 1 || a.size(3) > 1); }
};

// A and B, with E of AdaLoRA multiplied into A; alpha is still to be found. Throws Error(kBadData): half a
// pair, shapes that do not go together.
LowRankPair low_rank_pair(const ModuleParts& parts);

WeightChange low_rank_change(const LowRankPair& pair);

}  // namespace sdlora::lora
