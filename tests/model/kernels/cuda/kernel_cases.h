// Shapes, types and tolerances with which the GPU kernels are tested, on the CPU and on a GPU.
#pragma once

#include <ostream>
#include <vector>

#include <ATen/ATen.h>

#include "common/seeds.h"

namespace sdlora::model::kernels::cuda {

struct GroupNormCase {
  int64_t batch, channels, height, width, groups;

  friend std::ostream& operator<<(std::ostream& out, const GroupNormCase& c) {
    return out << c.batch << "x" << c.channels << "x" << c.height << "x" << c.width << " in " << c.groups;
  }
};

// Groups narrower and wider than a pack, rows that are no multiple of a strip, and channels of which no pack
// can be made.
inline std::vector<GroupNormCase> group_norm_cases() {
  return {{2, 320, 8, 8, 32},  {1, 64, 16, 16, 32}, {2, 6, 5, 7, 3}, {1, 12, 9, 9, 3},  {3, 40, 33, 1, 4},
          {1, 1280, 4, 4, 32}, {2, 8, 1, 1, 2},     {1, 7, 3, 3, 1}, {1, 16, 70, 1, 16}};
}

inline at::Tensor random_values(at::IntArrayRef shape, uint64_t seed, at::ScalarType type) {
  return at::randn(shape, generator_for(seed), at::kFloat).to(type);
}

// Of a result that was computed in fp32 and rounded once to `type`: half a unit in its last place.
inline double relative_tolerance(at::ScalarType type) {
  if (type == at::kHalf) return 0x1p-11 + 1e-5;
  return type == at::kBFloat16 ? 0x1p-8 + 1e-5 : 2e-5;
}

// Reports the largest difference where one is too large.
inline testing::AssertionResult are_close(const at::Tensor& seen, const at::Tensor& expected,
                                          at::ScalarType type, double absolute_tolerance = 2e-5) {
  const at::Tensor difference = (seen.detach().to(at::kCPU, at::kDouble) - expected).abs();
  const at::Tensor allowed = absolute_tolerance + relative_tolerance(type) * expected.abs();
  if ((difference <= allowed).all().item<bool>()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << at::toString(type) << ": they differ by up to "
                                     << difference.max().item<double>();
}

}  // namespace sdlora::model::kernels::cuda
