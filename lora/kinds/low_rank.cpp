#include "lora/kinds/low_rank.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace sdlora::lora {
namespace {

at::Tensor kernel_of(const ModuleParts& parts, Part part) {
  at::Tensor values = parts.numbers(part, "A and B (down and up)");
  parts.require(values.dim() == 2 || values.dim() == 4, part, "a matrix, or the kernel of a convolution");
  return values;
}

}  // namespace

LowRankPair low_rank_pair(const ModuleParts& parts) {
  LowRankPair pair{.a = kernel_of(parts, Part::kA),
                   .b = kernel_of(parts, Part::kB),
                   .alpha = 0,
                   .tensor_names = parts.tensor_names()};
  const bool is_adalora = parts.has(Part::kSingular);  // which may cut a module to rank 0
  if ((pair.rank() < 1 && !is_adalora) || pair.b.size(1) != pair.rank())
    parts.refuse(Part::kB, "[out, r] for A [r, in] of the same rank r",
                 fmt::format("B {}, A {}", c10::str(pair.b.sizes()), c10::str(pair.a.sizes())));
  parts.require(pair.b.dim() == 2 || (pair.b.size(2) == 1 && pair.b.size(3) == 1), Part::kB,
                "[out, r, 1, 1]");
  if (is_adalora) {
    const at::Tensor e = parts.numbers(Part::kSingular, "A, E and B");
    parts.require(pair.a.dim() == 2 && e.numel() == pair.rank(), Part::kSingular, "[r, 1]");
    pair.a = pair.a * e.reshape({-1, 1});
  }
  return pair;
}

WeightChange low_rank_change(const LowRankPair& pair) {
  const at::Tensor a = pair.a.flatten(1), b = pair.b.flatten(1);  // [r, in k k], [out, r]
  const double scale = pair.rank() == 0 ? 0 : pair.scale();
  WeightChange change =
      matrix_change("LoRA", b.size(0), a.size(1), [a, b, scale](const at::Tensor& weight, double strength) {
        // As LoraProjection merges: the same bytes.
        return at::addmm(weight.flatten(1), b, a, /*beta=*/1, /*alpha=*/strength * scale)
            .view(weight.sizes());
      });
  change.fits = [fits = std::move(change.fits)](at::IntArrayRef shape) {
    return shape.size() >= 2 && fits(shape);
  };
  return change;
}

}  // namespace sdlora::lora
