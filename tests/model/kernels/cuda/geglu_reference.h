// The formulas of the GEGLU kernels once more, in fp64 and a line each.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

namespace sdlora::model::kernels::cuda {

// Rows, and channels of the result: of which packs can be made, and cannot.
inline std::vector<std::pair<int64_t, int64_t>> geglu_cases() {
  return {{77, 1280}, {3, 7}, {1, 1}, {5, 12}, {130, 64}};
}

inline at::Tensor normal_distribution_of(const at::Tensor& x) {
  return (1 + at::erf(x / std::sqrt(2.0))) / 2;
}

// x [n, 2C] f64 → [n, C]
inline at::Tensor geglu_reference(const at::Tensor& x) {
  const auto halves = x.chunk(2, -1);
  return halves[0] * halves[1] * normal_distribution_of(halves[1]);
}

// x [n, 2C], dy [n, C] f64 → [n, 2C]
inline at::Tensor geglu_gradient_reference(const at::Tensor& x, const at::Tensor& dy) {
  const auto halves = x.chunk(2, -1);
  const at::Tensor density = (-halves[1].square() / 2).exp() / std::sqrt(2 * M_PI);
  return at::cat({dy * halves[1] * normal_distribution_of(halves[1]),
                  dy * halves[0] * (normal_distribution_of(halves[1]) + halves[1] * density)},
                 -1);
}

}  // namespace sdlora::model::kernels::cuda
