#include "lora/kinds/tucker.h"

#include <ATen/ATen.h>

namespace sdlora::lora {
namespace {

constexpr const char* kPartsOfTucker = "down, mid and up";

}  // namespace

at::Tensor tucker_product(const at::Tensor& core, const at::Tensor& left, const at::Tensor& right) {
  const at::Tensor half = at::tensordot(left, core, /*dims_self=*/{0}, /*dims_other=*/{0});  // [o, j, …]
  return at::tensordot(half, right, /*dims_self=*/{1}, /*dims_other=*/{0}).movedim(-1, 1);   // [o, c, …]
}

int64_t tucker_rank(const ModuleParts& parts) {
  return parts.matrix(Part::kA, kPartsOfTucker).size(0);
}

WeightChange tucker_change(const ModuleParts& parts, double scale) {
  const at::Tensor down = parts.matrix(Part::kA, kPartsOfTucker), up = parts.matrix(Part::kB, kPartsOfTucker);
  const at::Tensor mid = parts.numbers(Part::kMid, kPartsOfTucker);
  parts.require(mid.dim() == 4 && mid.size(0) == up.size(1) && mid.size(1) == down.size(0), Part::kMid,
                "[r, r, k, k] for up [out, r, 1, 1] and down [r, in, 1, 1]");
  return additive_change("LoCon with a Tucker core", up.size(0), down.size(1) * mid.size(2) * mid.size(3),
                         [=] { return tucker_product(mid, up.t(), down).mul(scale); });
}

}  // namespace sdlora::lora
