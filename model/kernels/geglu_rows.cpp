#include "model/kernels/geglu_rows.h"

#include "model/kernels/float_functions.h"
#include "model/kernels/for_each_cpu.h"

namespace sdlora::model::kernels {
namespace {

template <typename Number>
[[gnu::always_inline]] inline void gate_row(const Number* value, const Number* gate, int64_t channels,
                                            Number* y) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    const float g = loaded(gate[c]);
    store(loaded(value[c]) * (g * normal(g).cumulative), y[c]);
  }
}

// GELU'(g) = Φ(g) + g φ(g)
template <typename Number>
[[gnu::always_inline]] inline void gate_gradient_row(const Number* value, const Number* gate,
                                                     const Number* dy, int64_t channels, Number* dvalue,
                                                     Number* dgate) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    const float g = loaded(gate[c]), gradient = loaded(dy[c]);
    const Normal n = normal(g);
    store(gradient * (g * n.cumulative), dvalue[c]);
    store(gradient * loaded(value[c]) * (n.cumulative + g * n.density), dgate[c]);
  }
}

template <typename Number>
[[gnu::always_inline]] inline void gate_rows(const Number* x, int64_t rows, int64_t channels, Number* y) {
  for (int64_t row = 0; row < rows; ++row, x += 2 * channels, y += channels)
    gate_row(x, x + channels, channels, y);
}

template <typename Number>
[[gnu::always_inline]] inline void gate_gradients(const Number* x, const Number* dy, int64_t rows,
                                                  int64_t channels, Number* dx) {
  for (int64_t row = 0; row < rows; ++row, x += 2 * channels, dy += channels, dx += 2 * channels)
    gate_gradient_row(x, x + channels, dy, channels, dx, dx + channels);
}

}  // namespace

SDLORA_FOR_EACH_CPU void geglu_rows(const float* x, int64_t rows, int64_t channels, float* y) {
  gate_rows(x, rows, channels, y);
}

SDLORA_FOR_EACH_CPU void geglu_rows(const BFloat16Bits* x, int64_t rows, int64_t channels, BFloat16Bits* y) {
  gate_rows(x, rows, channels, y);
}

SDLORA_FOR_EACH_CPU void geglu_gradient_rows(const float* x, const float* dy, int64_t rows, int64_t channels,
                                             float* dx) {
  gate_gradients(x, dy, rows, channels, dx);
}

SDLORA_FOR_EACH_CPU void geglu_gradient_rows(const BFloat16Bits* x, const BFloat16Bits* dy, int64_t rows,
                                             int64_t channels, BFloat16Bits* dx) {
  gate_gradients(x, dy, rows, channels, dx);
}

}  // namespace sdlora::model::kernels
