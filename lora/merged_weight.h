// A frozen weight with a branch in it, g ⊙ (W + s B A): in fp32 on the CPU forward and dx then cost no more
// than without an adapter.
#pragma once

#include "lora/branch.h"
#include "model/layers/linear.h"

namespace sdlora::lora {

class MergedWeight {
 public:
  // `base` [out, in] with that weight, worked out anew when the branch has changed. `gain` [out]: DoRA's
  // (magnitude.h), or undefined.
  const model::Linear& of(const model::Linear& base, const Branch& branch, const at::Tensor& gain = {});

 private:
  model::Linear merged_;
  int64_t version_ = 0;  // Branch::version
};

}  // namespace sdlora::lora
