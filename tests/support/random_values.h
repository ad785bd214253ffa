// Values for tests, the same on every machine.
#pragma once

#include <ATen/ATen.h>

#include "common/seeds.h"

namespace sdlora {

// Normally distributed, fp32.
inline at::Tensor random_values(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, generator_for(seed), at::kFloat);
}

}  // namespace sdlora
