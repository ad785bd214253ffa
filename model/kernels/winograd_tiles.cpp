#include "model/kernels/winograd_tiles.h"

#include <algorithm>
#include <array>

#include "model/kernels/float_functions.h"
#include "model/kernels/for_each_cpu.h"

namespace sdlora::model::kernels {
namespace {

struct Place {
  int64_t batch, row, column;  // of the tile's first output cell
};

Place place_of(const TileGrid& grid, int64_t tile) {
  const int64_t per_sample = grid.tile_rows * grid.tile_columns;
  return {tile / per_sample, 2 * (tile % per_sample / grid.tile_columns), 2 * (tile % grid.tile_columns)};
}

int64_t position(int a, int b, bool is_reversed) {
  const auto turned = [&](int i) { return is_reversed && i % 3 == 0 ? 3 - i : i; };
  return 4 * turned(a) + turned(b);
}

template <typename Number>
using Rows = std::array<const Number*, 16>;
template <typename Number>
using MutableRows = std::array<Number*, 16>;

// The loops over channels are compiled for each width of vectors; the CPU's is chosen when the program
// starts. Sums and halves only, so all versions give the same bytes.

// Bᵀ d B of Lavin and Gray, channel by channel.
template <typename Number>
[[gnu::always_inline]] inline void transform_channels(const Rows<Number>& d, const MutableRows<Number>& v,
                                                      int64_t channels) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    float t[4][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const float d0 = loaded(d[j][c]), d1 = loaded(d[4 + j][c]), d2 = loaded(d[8 + j][c]),
                  d3 = loaded(d[12 + j][c]);
      t[0][j] = d0 - d2;
      t[1][j] = d1 + d2;
      t[2][j] = d2 - d1;
      t[3][j] = d1 - d3;
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      store(t[i][0] - t[i][2], v[4 * i][c]);
      store(t[i][1] + t[i][2], v[4 * i + 1][c]);
      store(t[i][2] - t[i][1], v[4 * i + 2][c]);
      store(t[i][1] - t[i][3], v[4 * i + 3][c]);
    }
  }
}

// Aᵀ m A of Lavin and Gray + bias, channel by channel.
template <typename Number>
[[gnu::always_inline]] inline void transform_products(const Rows<float>& m, const float* bias,
                                                      const std::array<Number*, 4>& y, int64_t channels) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    float t[2][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      t[0][j] = m[j][c] + m[4 + j][c] + m[8 + j][c];
      t[1][j] = m[4 + j][c] - m[8 + j][c] - m[12 + j][c];
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      store(t[i][0] + t[i][1] + t[i][2] + bias[c], y[2 * i][c]);
      store(t[i][1] - t[i][2] - t[i][3] + bias[c], y[2 * i + 1][c]);
    }
  }
}

SDLORA_FOR_EACH_CPU void transform_input(const Rows<float>& d, const MutableRows<float>& v,
                                         int64_t channels) {
  transform_channels(d, v, channels);
}

SDLORA_FOR_EACH_CPU void transform_input(const Rows<BFloat16Bits>& d, const MutableRows<BFloat16Bits>& v,
                                         int64_t channels) {
  transform_channels(d, v, channels);
}

SDLORA_FOR_EACH_CPU void transform_output(const Rows<float>& m, const float* bias,
                                          const std::array<float*, 4>& y, int64_t channels) {
  transform_products(m, bias, y, channels);
}

SDLORA_FOR_EACH_CPU void transform_output(const Rows<float>& m, const float* bias,
                                          const std::array<BFloat16Bits*, 4>& y, int64_t channels) {
  transform_products(m, bias, y, channels);
}

constexpr int kLanes = 16;  // kernels side by side: whole cache lines are written
using Lanes = std::array<float, kLanes>;

// G g Gᵀ of Lavin and Gray for kernels side by side.
SDLORA_FOR_EACH_CPU void transform_kernels(const std::array<Lanes, 9>& g, std::array<Lanes, 16>& u) {
#pragma GCC ivdep
  for (int l = 0; l < kLanes; ++l) {
    float t[4][3];  // G g
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
      const float g0 = g[j][l], g1 = g[3 + j][l], g2 = g[6 + j][l];
      t[0][j] = g0;
      t[1][j] = 0.5F * (g0 + g1 + g2);
      t[2][j] = 0.5F * (g0 - g1 + g2);
      t[3][j] = g2;
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      u[4 * i][l] = t[i][0];
      u[4 * i + 1][l] = 0.5F * (t[i][0] + t[i][1] + t[i][2]);
      u[4 * i + 2][l] = 0.5F * (t[i][0] - t[i][1] + t[i][2]);
      u[4 * i + 3][l] = t[i][2];
    }
  }
}

}  // namespace

template <typename Number>
void gather_tiles(const TileGrid& grid, const Number* x, int64_t channels, const TileRange& range,
                  bool is_reversed, const Number* zeros, Number* tiles) {
  for (int64_t tile = range.first; tile < range.last; ++tile) {
    const Place place = place_of(grid, tile);
    Rows<Number> from;
    MutableRows<Number> to;
    for (int a = 0; a < 4; ++a)
      for (int b = 0; b < 4; ++b) {
        const int64_t row = place.row + a - 1, column = place.column + b - 1;
        const bool is_inside = row >= 0 && row < grid.height && column >= 0 && column < grid.width;
        from[4 * a + b] =
            is_inside ? x + ((place.batch * grid.height + row) * grid.width + column) * channels : zeros;
        to[4 * a + b] = tiles + (position(a, b, is_reversed) * range.stride + tile - range.first) * channels;
      }
    transform_input(from, to, channels);
  }
}

template <typename Number>
void scatter_tiles(const TileGrid& grid, const float* tiles, int64_t channels, const TileRange& range,
                   bool is_reversed, const float* bias, Number* beyond, Number* y) {
  for (int64_t tile = range.first; tile < range.last; ++tile) {
    const Place place = place_of(grid, tile);
    Rows<float> from;
    for (int a = 0; a < 4; ++a)
      for (int b = 0; b < 4; ++b)
        from[4 * a + b] =
            tiles + (position(a, b, is_reversed) * range.stride + tile - range.first) * channels;
    std::array<Number*, 4> to;
    for (int a = 0; a < 2; ++a)
      for (int b = 0; b < 2; ++b) {
        const int64_t row = place.row + a, column = place.column + b;
        const bool is_inside = row < grid.height && column < grid.width;
        to[2 * a + b] =
            is_inside ? y + ((place.batch * grid.height + row) * grid.width + column) * channels : beyond;
      }
    transform_output(from, bias, to, channels);
  }
}

template <typename Number>
void transform_weight(const float* weight, int64_t out, int64_t in, int64_t first, int64_t last,
                      Number* transformed) {
  std::array<Lanes, 9> kernels{};
  std::array<Lanes, 16> planes;
  for (int64_t block = first; block < last; block += kLanes) {
    const int64_t count = std::min<int64_t>(kLanes, last - block);
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t l = 0; l < count; ++l)
        for (int64_t k = 0; k < 9; ++k) kernels[k][l] = weight[((block + l) * in + i) * 9 + k];
      transform_kernels(kernels, planes);
      for (int64_t position = 0; position < 16; ++position)
        for (int64_t l = 0; l < count; ++l)
          store(planes[position][l], transformed[(position * in + i) * out + block + l]);
    }
  }
}

template void gather_tiles(const TileGrid&, const float*, int64_t, const TileRange&, bool, const float*,
                           float*);
template void gather_tiles(const TileGrid&, const BFloat16Bits*, int64_t, const TileRange&, bool,
                           const BFloat16Bits*, BFloat16Bits*);
template void scatter_tiles(const TileGrid&, const float*, int64_t, const TileRange&, bool, const float*,
                            float*, float*);
template void scatter_tiles(const TileGrid&, const float*, int64_t, const TileRange&, bool, const float*,
                            BFloat16Bits*, BFloat16Bits*);
template void transform_weight(const float*, int64_t, int64_t, int64_t, int64_t, float*);
template void transform_weight(const float*, int64_t, int64_t, int64_t, int64_t, BFloat16Bits*);

}  // namespace sdlora::model::kernels
