#include "model/kernels/group_norm_rows.h"

#include <algorithm>

#include "model/kernels/float_functions.h"
#include "model/kernels/for_each_cpu.h"

namespace sdlora::model::kernels {
namespace {

template <typename Number>
[[gnu::always_inline]] inline void add_cell(const Number* x, const float* pivot, int64_t channels,
                                            float* sums, float* squares) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    const float difference = loaded(x[c]) - pivot[c];
    sums[c] += difference;
    squares[c] += difference * difference;
  }
}

template <bool kThenSilu, typename Number>
[[gnu::always_inline]] inline void normalize_cell(const Number* x, int64_t channels, const float* scale,
                                                  const float* shift, Number* y) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    const float z = loaded(x[c]) * scale[c] + shift[c];
    store(kThenSilu ? z * sigmoid(z) : z, y[c]);
  }
}

// SiLU'(z) = σ (1 + z (1 − σ))
template <bool kThenSilu>
[[gnu::always_inline]] inline float gradient_before_silu(float dy, float z) {
  if (!kThenSilu) return dy;
  const float s = sigmoid(z);
  return dy * s * (1.0F + z * (1.0F - s));
}

template <bool kThenSilu, typename Number>
[[gnu::always_inline]] inline void add_cell_gradient(const Number* x, const Number* dy, const float* pivot,
                                                     int64_t channels, const float* scale, const float* shift,
                                                     float* sums, float* products) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    const float value = loaded(x[c]);
    const float dz = gradient_before_silu<kThenSilu>(loaded(dy[c]), value * scale[c] + shift[c]);
    sums[c] += dz;
    products[c] += dz * (value - pivot[c]);
  }
}

template <bool kThenSilu, bool kHasWayAround, typename Number>
[[gnu::always_inline]] inline void cell_gradient(const Number* x, const Number* dy, const Number* around,
                                                 int64_t channels, const float* scale, const float* shift,
                                                 const float* of_gradient, const float* of_input,
                                                 const float* constant, Number* dx) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    const float value = loaded(x[c]);
    const float dz = gradient_before_silu<kThenSilu>(loaded(dy[c]), value * scale[c] + shift[c]);
    const float inner = dz * of_gradient[c] + value * of_input[c] + constant[c];
    store(kHasWayAround ? inner + loaded(around[c]) : inner, dx[c]);
  }
}

template <typename Number>
[[gnu::always_inline]] inline void normalize_cells(const Number* x, int64_t rows, int64_t channels,
                                                   const ChannelLine& line, bool then_silu, Number* y) {
  for (int64_t r = 0; r < rows; ++r, x += channels, y += channels)
    then_silu ? normalize_cell<true>(x, channels, line.scale, line.shift, y)
              : normalize_cell<false>(x, channels, line.scale, line.shift, y);
}

template <typename Number>
[[gnu::always_inline]] inline void sum_cells(const Number* x, const float* pivot, int64_t rows,
                                             int64_t channels, float* sums, float* squares) {
  std::fill_n(sums, channels, 0.0F);
  std::fill_n(squares, channels, 0.0F);
  for (int64_t r = 0; r < rows; ++r, x += channels) add_cell(x, pivot, channels, sums, squares);
}

template <typename Number>
[[gnu::always_inline]] inline void sum_cell_gradients(const Number* x, const Number* dy, const float* pivot,
                                                      int64_t rows, int64_t channels, const ChannelLine& line,
                                                      bool then_silu, float* sums, float* products) {
  std::fill_n(sums, channels, 0.0F);
  std::fill_n(products, channels, 0.0F);
  for (int64_t r = 0; r < rows; ++r, x += channels, dy += channels)
    then_silu ? add_cell_gradient<true>(x, dy, pivot, channels, line.scale, line.shift, sums, products)
              : add_cell_gradient<false>(x, dy, pivot, channels, line.scale, line.shift, sums, products);
}

template <bool kThenSilu, typename Number>
[[gnu::always_inline]] inline void cell_gradients(const Number* x, const Number* dy, const Number* around,
                                                  int64_t rows, int64_t channels, const ChannelLine& line,
                                                  const InputGradientLine& g, Number* dx) {
  for (int64_t r = 0; r < rows; ++r, x += channels, dy += channels, dx += channels) {
    if (around == nullptr) {
      cell_gradient<kThenSilu, false>(x, dy, around, channels, line.scale, line.shift, g.of_gradient,
                                      g.of_input, g.constant, dx);
      continue;
    }
    cell_gradient<kThenSilu, true>(x, dy, around, channels, line.scale, line.shift, g.of_gradient, g.of_input,
                                   g.constant, dx);
    around += channels;
  }
}

template <typename Number>
[[gnu::always_inline]] inline void cell_gradients(const Number* x, const Number* dy, const Number* around,
                                                  int64_t rows, int64_t channels, const ChannelLine& line,
                                                  bool then_silu, const InputGradientLine& gradient,
                                                  Number* dx) {
  then_silu ? cell_gradients<true>(x, dy, around, rows, channels, line, gradient, dx)
            : cell_gradients<false>(x, dy, around, rows, channels, line, gradient, dx);
}

}  // namespace

SDLORA_FOR_EACH_CPU void sum_rows(const float* x, const float* pivot, int64_t rows, int64_t channels,
                                  float* sums, float* squares) {
  sum_cells(x, pivot, rows, channels, sums, squares);
}

SDLORA_FOR_EACH_CPU void sum_rows(const BFloat16Bits* x, const float* pivot, int64_t rows, int64_t channels,
                                  float* sums, float* squares) {
  sum_cells(x, pivot, rows, channels, sums, squares);
}

SDLORA_FOR_EACH_CPU void normalize_rows(const float* x, int64_t rows, int64_t channels,
                                        const ChannelLine& line, bool then_silu, float* y) {
  normalize_cells(x, rows, channels, line, then_silu, y);
}

SDLORA_FOR_EACH_CPU void normalize_rows(const BFloat16Bits* x, int64_t rows, int64_t channels,
                                        const ChannelLine& line, bool then_silu, BFloat16Bits* y) {
  normalize_cells(x, rows, channels, line, then_silu, y);
}

SDLORA_FOR_EACH_CPU void sum_gradient_rows(const float* x, const float* dy, const float* pivot, int64_t rows,
                                           int64_t channels, const ChannelLine& line, bool then_silu,
                                           float* sums, float* products) {
  sum_cell_gradients(x, dy, pivot, rows, channels, line, then_silu, sums, products);
}

SDLORA_FOR_EACH_CPU void sum_gradient_rows(const BFloat16Bits* x, const BFloat16Bits* dy, const float* pivot,
                                           int64_t rows, int64_t channels, const ChannelLine& line,
                                           bool then_silu, float* sums, float* products) {
  sum_cell_gradients(x, dy, pivot, rows, channels, line, then_silu, sums, products);
}

SDLORA_FOR_EACH_CPU void input_gradient_rows(const float* x, const float* dy, const float* around,
                                             int64_t rows, int64_t channels, const ChannelLine& line,
                                             bool then_silu, const InputGradientLine& gradient, float* dx) {
  cell_gradients(x, dy, around, rows, channels, line, then_silu, gradient, dx);
}

SDLORA_FOR_EACH_CPU void input_gradient_rows(const BFloat16Bits* x, const BFloat16Bits* dy,
                                             const BFloat16Bits* around, int64_t rows, int64_t channels,
                                             const ChannelLine& line, bool then_silu,
                                             const InputGradientLine& gradient, BFloat16Bits* dx) {
  cell_gradients(x, dy, around, rows, channels, line, then_silu, gradient, dx);
}

}  // namespace sdlora::model::kernels
