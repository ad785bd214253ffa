// What one GPU thread does in the backward of the group normalisation to its input:
//
//   g = w dh      dh = dy, or after SiLU dy s (1 + h (1 - s)), s = 1 / (1 + exp(-h))
//   dx = rstd (g - mean(g) - x̂ mean(g x̂))      x̂ = (x - mean) rstd, means over the group
//
// h is computed again from x and the statistics: nothing else is kept.
#pragma once

#include "model/kernels/cuda/group_norm_forward.h"

namespace sdlora::model::kernels::cuda {

// From dy to dh.
template <bool kThenSilu, int kWidth>
__host__ __device__ inline float gradient_of_h(const ChannelParameters<kWidth>& channels, float dy,
                                               float x_hat, int lane) {
  if (!kThenSilu) return dy;
  const float h = x_hat * channels.weight[lane] + channels.bias[lane];
  const float s = 1 / (1 + expf(-h));
  return dy * s * (1 + h * (1 - s));
}

// Sums over a group: of g and of g x̂.
struct GradientSums {
  float g = 0, g_x_hat = 0;
};

__host__ __device__ inline GradientSums merged(const GradientSums& a, const GradientSums& b) {
  return {.g = a.g + b.g, .g_x_hat = a.g_x_hat + b.g_x_hat};
}

// Calls take(place of the row in x, its values, its gradients of y) for each row of a strip.
template <int kWidth, typename T, typename Take>
__host__ __device__ inline void for_rows(const GroupNormShape& shape, const Strip& strip,
                                         const T* __restrict__ x, const T* __restrict__ dy,
                                         const Take& take) {
#pragma unroll 2
  for (int row = 0; row < strip.row_count; ++row) {
    const int64_t at = strip.offset + static_cast<int64_t>(row) * shape.channels;
    float values[kWidth], gradients[kWidth];
    load(x + at, values);
    load(dy + at, gradients);
    take(at, values, gradients);
  }
}

// First: the sums of g and g x̂ of each channel of a strip.
template <typename T, int kWidth, bool kThenSilu>
__host__ __device__ inline void sum_gradient_strip(const GroupNormShape& shape, const T* __restrict__ x,
                                                   const float* means, const float* rstds, const T* weights,
                                                   const T* biases, const T* __restrict__ dy,
                                                   float* __restrict__ partial, unsigned thread) {
  const Strip strip = strip_of<kWidth>(shape, kSummedRows, thread);
  const ChannelParameters<kWidth> channels(shape, strip, means, rstds, weights, biases);
  float g[kWidth] = {}, g_x_hat[kWidth] = {};
  for_rows<kWidth>(shape, strip, x, dy, [&](int64_t, const float* values, const float* gradients) {
    for (int lane = 0; lane < kWidth; ++lane) {
      const float x_hat = channels.normalized(values[lane], lane);
      const float dh = gradient_of_h<kThenSilu>(channels, gradients[lane], x_hat, lane);
      g[lane] += dh;
      g_x_hat[lane] += dh * x_hat;
    }
  });
  for (int lane = 0; lane < kWidth; ++lane) {
    g[lane] *= channels.weight[lane];
    g_x_hat[lane] *= channels.weight[lane];
  }
  float* to = partial + partial_offset(shape, strip.sample, strip.number, strip.channel);
  store(g, to);
  store(g_x_hat, to + partial_half(shape));
}

// Second: one share of a group's sums; `group` counts over the batch.
__host__ __device__ inline GradientSums merge_gradients(const GroupNormShape& shape, const float* partial,
                                                        int group, int thread) {
  GradientSums all;
  for_share_of_group(shape, partial, group, thread,
                     [&](int, float g, float g_x_hat) { all = merged(all, {.g = g, .g_x_hat = g_x_hat}); });
  return all;
}

// Third. `means_of_g` and `means_of_g_x_hat` are [batch, groups].
template <typename T, int kWidth, bool kThenSilu>
__host__ __device__ inline void differentiate_strip(const GroupNormShape& shape, const T* __restrict__ x,
                                                    const float* means, const float* rstds, const T* weights,
                                                    const T* biases, const T* __restrict__ dy,
                                                    const float* means_of_g, const float* means_of_g_x_hat,
                                                    T* __restrict__ dx, unsigned thread) {
  const Strip strip = strip_of<kWidth>(shape, kComputedRows, thread);
  const ChannelParameters<kWidth> channels(shape, strip, means, rstds, weights, biases);
  float mean_of_g[kWidth], mean_of_g_x_hat[kWidth];
  load_by_group(shape, strip, means_of_g, mean_of_g);
  load_by_group(shape, strip, means_of_g_x_hat, mean_of_g_x_hat);
  for_rows<kWidth>(shape, strip, x, dy, [&](int64_t at, float(&values)[kWidth], const float* gradients) {
    for (int lane = 0; lane < kWidth; ++lane) {
      const float x_hat = channels.normalized(values[lane], lane);
      const float g =
          gradient_of_h<kThenSilu>(channels, gradients[lane], x_hat, lane) * channels.weight[lane];
      values[lane] = channels.rstd[lane] * (g - mean_of_g[lane] - x_hat * mean_of_g_x_hat[lane]);
    }
    store(values, dx + at);
  });
}

}  // namespace sdlora::model::kernels::cuda
