#include "model/kernels/layer_norm_rows.h"

#include <cmath>

#include "model/kernels/float_functions.h"
#include "model/kernels/for_each_cpu.h"

namespace sdlora::model::kernels {
namespace {

template <typename Number>
[[gnu::always_inline]] inline void add_tokens(const Number* x, const Number* added, int64_t channels,
                                              Number* sum) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) store(loaded(x[c]) + loaded(added[c]), sum[c]);
}

template <typename Number>
[[gnu::always_inline]] inline void normalize_token(const Number* x, int64_t channels, const float* scale,
                                                   const float* shift, float eps, Number* y,
                                                   float* statistics) {
  const auto count = static_cast<float>(channels);
  float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < channels; ++c) sum += loaded(x[c]);
  const float mean = sum / count;
#pragma omp simd reduction(+ : squares)
  for (int64_t c = 0; c < channels; ++c) {
    const float difference = loaded(x[c]) - mean;
    squares += difference * difference;
  }
  const float r = 1.0F / std::sqrt(squares / count + eps);
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) store((loaded(x[c]) - mean) * r * scale[c] + shift[c], y[c]);
  statistics[0] = mean;
  statistics[1] = r;
}

template <bool kHasWayAround, typename Number>
[[gnu::always_inline]] inline void token_gradient(const Number* x, const Number* dy, const Number* around,
                                                  int64_t channels, const float* scale, float mean, float r,
                                                  Number* dx) {
  const auto count = static_cast<float>(channels);
  float sum = 0, products = 0;
#pragma omp simd reduction(+ : sum, products)
  for (int64_t c = 0; c < channels; ++c) {
    const float g = loaded(dy[c]) * scale[c];
    sum += g;
    products += g * ((loaded(x[c]) - mean) * r);
  }
  const float mean_gradient = sum / count, mean_product = products / count;
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    const float normalized = (loaded(x[c]) - mean) * r;
    const float inner = r * (loaded(dy[c]) * scale[c] - mean_gradient - normalized * mean_product);
    store(kHasWayAround ? inner + loaded(around[c]) : inner, dx[c]);
  }
}

template <typename Number>
[[gnu::always_inline]] inline void normalize_tokens(const LayerNormShape& shape, const Number* x,
                                                    const Number* added, const float* scale,
                                                    const float* shift, float eps, Number* sum, Number* y,
                                                    float* statistics) {
  for (int64_t row = 0; row < shape.rows; ++row) {
    const int64_t offset = row * shape.channels;
    if (added != nullptr) add_tokens(x + offset, added + offset, shape.channels, sum + offset);
    normalize_token(added != nullptr ? sum + offset : x + offset, shape.channels, scale, shift, eps,
                    y + offset, statistics + 2 * row);
  }
}

template <typename Number>
[[gnu::always_inline]] inline void token_gradients(const LayerNormShape& shape, const Number* x,
                                                   const Number* dy, const Number* around, const float* scale,
                                                   const float* statistics, Number* dx) {
  for (int64_t row = 0; row < shape.rows; ++row) {
    const int64_t offset = row * shape.channels;
    const float mean = statistics[2 * row], r = statistics[2 * row + 1];
    if (around == nullptr)
      token_gradient<false>(x + offset, dy + offset, around, shape.channels, scale, mean, r, dx + offset);
    else
      token_gradient<true>(x + offset, dy + offset, around + offset, shape.channels, scale, mean, r,
                           dx + offset);
  }
}

}  // namespace

SDLORA_FOR_EACH_CPU void layer_norm_rows(const LayerNormShape& shape, const float* x, const float* added,
                                         const float* scale, const float* shift, float eps, float* sum,
                                         float* y, float* statistics) {
  normalize_tokens(shape, x, added, scale, shift, eps, sum, y, statistics);
}

SDLORA_FOR_EACH_CPU void layer_norm_rows(const LayerNormShape& shape, const BFloat16Bits* x,
                                         const BFloat16Bits* added, const float* scale, const float* shift,
                                         float eps, BFloat16Bits* sum, BFloat16Bits* y, float* statistics) {
  normalize_tokens(shape, x, added, scale, shift, eps, sum, y, statistics);
}

SDLORA_FOR_EACH_CPU void layer_norm_gradient_rows(const LayerNormShape& shape, const float* x,
                                                  const float* dy, const float* around, const float* scale,
                                                  const float* statistics, float* dx) {
  token_gradients(shape, x, dy, around, scale, statistics, dx);
}

SDLORA_FOR_EACH_CPU void layer_norm_gradient_rows(const LayerNormShape& shape, const BFloat16Bits* x,
                                                  const BFloat16Bits* dy, const BFloat16Bits* around,
                                                  const float* scale, const float* statistics,
                                                  BFloat16Bits* dx) {
  token_gradients(shape, x, dy, around, scale, statistics, dx);
}

}  // namespace sdlora::model::kernels
