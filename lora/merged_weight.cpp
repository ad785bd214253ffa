#include "lora/merged_weight.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace sdlora::lora {

const model::Linear& MergedWeight::of(const model::Linear& base, const Branch& branch,
                                      const at::Tensor& gain) {
  const c10::NoGradGuard no_gradients;
  const int64_t version = branch.version();
  if (merged_.weight.defined() && version_ == version) return merged_;
  if (!merged_.weight.defined()) {
    merged_ = base;
    merged_.weight = at::empty_like(base.weight);
  }
  at::addmm_out(merged_.weight, base.weight, branch.b, branch.a, /*beta=*/1, /*alpha=*/branch.scale);
  if (gain.defined()) merged_.weight.mul_(gain.unsqueeze(1));
  version_ = version;
  return merged_;
}

}  // namespace sdlora::lora
