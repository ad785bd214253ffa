// What one GPU thread does in the group normalisation, optionally followed by SiLU (Wu and He 2018; Elfwing
// et al. 2018), for x [batch, rows, channels]:
//
//   h = (x - mean) rstd w + b      y = h, or silu(h) = h / (1 + exp(-h))
#pragma once

#include <cmath>

#include "model/kernels/cuda/group_norm_strips.h"

namespace sdlora::model::kernels::cuda {

// Statistics, scale and shift of a thread's channels.
template <int kWidth>
struct ChannelParameters {
  float mean[kWidth], rstd[kWidth], weight[kWidth], bias[kWidth];

  template <typename T>
  __host__ __device__ ChannelParameters(const GroupNormShape& shape, const Strip& strip, const float* means,
                                        const float* rstds, const T* weights, const T* biases) {
    load(weights + strip.channel, weight);
    load(biases + strip.channel, bias);
    load_by_group(shape, strip, means, mean);
    load_by_group(shape, strip, rstds, rstd);
  }

  __host__ __device__ float normalized(float x, int lane) const { return (x - mean[lane]) * rstd[lane]; }
};

// Number, mean and summed squares of deviations from it (Chan et al. 1979).
struct Moments {
  float count = 0, mean = 0, squares = 0;
};

__host__ __device__ inline Moments merged(const Moments& a, const Moments& b) {
  if (a.count == 0) return b;
  if (b.count == 0) return a;
  const float count = a.count + b.count, deviation = b.mean - a.mean, share = b.count / count;
  return {.count = count,
          .mean = a.mean + deviation * share,
          .squares = a.squares + b.squares + deviation * deviation * a.count * share};
}

// First: mean and squares of each channel of a strip.
template <typename T, int kWidth>
__host__ __device__ inline void measure_strip(const GroupNormShape& shape, const T* __restrict__ x,
                                              float* __restrict__ partial, unsigned thread) {
  const Strip strip = strip_of<kWidth>(shape, kSummedRows, thread);
  const T* from = x + strip.offset;
  // Deviations from the first value: the squares of the values themselves would cancel.
  float first[kWidth], sums[kWidth] = {}, squares[kWidth] = {};
  load(from, first);
#pragma unroll 4
  for (int row = 1; row < strip.row_count; ++row) {
    float values[kWidth];
    load(from + static_cast<int64_t>(row) * shape.channels, values);
    for (int lane = 0; lane < kWidth; ++lane) {
      const float deviation = values[lane] - first[lane];
      sums[lane] += deviation;
      squares[lane] += deviation * deviation;
    }
  }
  const auto count = static_cast<float>(strip.row_count);
  for (int lane = 0; lane < kWidth; ++lane) {
    const float rest = squares[lane] - sums[lane] * sums[lane] / count;
    squares[lane] = rest < 0 ? 0 : rest;  // keeps a NaN
    sums[lane] = first[lane] + sums[lane] / count;
  }
  float* to = partial + partial_offset(shape, strip.sample, strip.number, strip.channel);
  store(sums, to);
  store(squares, to + partial_half(shape));
}

// Second: one share of a group's moments; `group` counts over the batch.
__host__ __device__ inline Moments merge_moments(const GroupNormShape& shape, const float* partial, int group,
                                                 int thread) {
  Moments all;
  for_share_of_group(shape, partial, group, thread, [&](int row_count, float mean, float squares) {
    all = merged(all, {.count = static_cast<float>(row_count), .mean = mean, .squares = squares});
  });
  return all;
}

__host__ __device__ inline float rstd_of(const Moments& moments, float eps) {
  return 1 / sqrtf(moments.squares / moments.count + eps);
}

// Third.
template <typename T, int kWidth, bool kThenSilu>
__host__ __device__ inline void normalize_strip(const GroupNormShape& shape, const T* __restrict__ x,
                                                const float* means, const float* rstds, const T* weights,
                                                const T* biases, T* __restrict__ y, unsigned thread) {
  const Strip strip = strip_of<kWidth>(shape, kComputedRows, thread);
  const ChannelParameters<kWidth> channels(shape, strip, means, rstds, weights, biases);
#pragma unroll 4
  for (int row = 0; row < strip.row_count; ++row) {
    const int64_t at = strip.offset + static_cast<int64_t>(row) * shape.channels;
    float values[kWidth];
    load(x + at, values);
    for (int lane = 0; lane < kWidth; ++lane) {
      const float h = channels.normalized(values[lane], lane) * channels.weight[lane] + channels.bias[lane];
      values[lane] = kThenSilu ? h / (1 + expf(-h)) : h;
    }
    store(values, y + at);
  }
}

}  // namespace sdlora::model::kernels::cuda
