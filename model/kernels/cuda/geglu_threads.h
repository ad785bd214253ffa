// What one GPU thread does in GEGLU, for kWidth channels of one row of x [rows, 2 channels]:
//
//   y = value GELU(gate)          GELU(g) = g Φ(g), Φ(g) = (1 + erf(g / √2)) / 2
//   dvalue = dy GELU(gate)        dgate = dy value (Φ(gate) + gate φ(gate)), φ(g) = exp(-g² / 2) / √(2π)
#pragma once

#include <cmath>

#include "model/kernels/cuda/element_pack.h"
#include "model/kernels/cuda/geglu_launch.h"

namespace sdlora::model::kernels::cuda {

// Where a thread's value, gate and result begin.
struct GegluPlace {
  int64_t value, gate, result;
};

template <int kWidth>
__host__ __device__ inline GegluPlace geglu_place_of(const GegluShape& shape, unsigned thread) {
  const auto pack_count = static_cast<unsigned>(shape.channels / kWidth);
  const int64_t row = thread / pack_count, channel = static_cast<int64_t>(thread % pack_count) * kWidth;
  return {.value = 2 * row * shape.channels + channel,
          .gate = (2 * row + 1) * shape.channels + channel,
          .result = row * shape.channels + channel};
}

__host__ __device__ inline float normal_distribution(float x) {  // Φ
  constexpr float kInverseSqrt2 = 0.70710678118654752F;
  return 0.5F * (1 + erff(x * kInverseSqrt2));
}

__host__ __device__ inline float normal_density(float x) {  // φ
  constexpr float kInverseSqrt2Pi = 0.39894228040143268F;
  return kInverseSqrt2Pi * expf(-0.5F * x * x);
}

template <typename T, int kWidth>
__host__ __device__ inline void gate_row(const GegluShape& shape, const T* x, T* y, unsigned thread) {
  const GegluPlace place = geglu_place_of<kWidth>(shape, thread);
  float values[kWidth], gates[kWidth];
  load(x + place.value, values);
  load(x + place.gate, gates);
  for (int lane = 0; lane < kWidth; ++lane) values[lane] *= gates[lane] * normal_distribution(gates[lane]);
  store(values, y + place.result);
}

template <typename T, int kWidth>
__host__ __device__ inline void differentiate_row(const GegluShape& shape, const T* x, const T* dy, T* dx,
                                                  unsigned thread) {
  const GegluPlace place = geglu_place_of<kWidth>(shape, thread);
  float values[kWidth], gates[kWidth], gradients[kWidth];
  load(x + place.value, values);
  load(x + place.gate, gates);
  load(dy + place.result, gradients);
  for (int lane = 0; lane < kWidth; ++lane) {
    const float gate = gates[lane], share = normal_distribution(gate);
    gates[lane] = gradients[lane] * values[lane] * (share + gate * normal_density(gate));
    values[lane] = gradients[lane] * gate * share;
  }
  store(values, dx + place.value);
  store(gates, dx + place.gate);
}

}  // namespace sdlora::model::kernels::cuda
