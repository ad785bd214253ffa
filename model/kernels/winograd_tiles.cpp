#include "model/kernels/winograd_tiles.h"

#include <array>

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

using Rows = std::array<const float*, 16>;
using MutableRows = std::array<float*, 16>;

// The two loops over channels are compiled for each width of vectors; the CPU's is chosen when the program
// starts. Sums and halves only, so all versions give the same bytes.

// Bᵀ d B of Lavin and Gray, channel by channel.
SDLORA_FOR_EACH_CPU void transform_input(const Rows& d, const MutableRows& v, int64_t channels) {
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    float t[4][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const float d0 = d[j][c], d1 = d[4 + j][c], d2 = d[8 + j][c], d3 = d[12 + j][c];
      t[0][j] = d0 - d2;
      t[1][j] = d1 + d2;
      t[2][j] = d2 - d1;
      t[3][j] = d1 - d3;
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      v[4 * i][c] = t[i][0] - t[i][2];
      v[4 * i + 1][c] = t[i][1] + t[i][2];
      v[4 * i + 2][c] = t[i][2] - t[i][1];
      v[4 * i + 3][c] = t[i][1] - t[i][3];
    }
  }
}

// Aᵀ m A of Lavin and Gray + bias, channel by channel.
SDLORA_FOR_EACH_CPU void transform_output(const Rows& m, const float* bias, const std::array<float*, 4>& y,
                                          int64_t channels) {
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
      y[2 * i][c] = t[i][0] + t[i][1] + t[i][2] + bias[c];
      y[2 * i + 1][c] = t[i][1] - t[i][2] - t[i][3] + bias[c];
    }
  }
}

// G g of Lavin and Gray for three numbers of a kernel.
std::array<float, 4> transform_three(float g0, float g1, float g2) {
  return {g0, 0.5F * (g0 + g1 + g2), 0.5F * (g0 - g1 + g2), g2};
}

}  // namespace

void gather_tiles(const TileGrid& grid, const float* x, int64_t channels, const TileRange& range,
                  bool is_reversed, const float* zeros, float* tiles) {
  for (int64_t tile = range.first; tile < range.last; ++tile) {
    const Place place = place_of(grid, tile);
    Rows from;
    MutableRows to;
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

void scatter_tiles(const TileGrid& grid, const float* tiles, int64_t channels, const TileRange& range,
                   bool is_reversed, const float* bias, float* beyond, float* y) {
  for (int64_t tile = range.first; tile < range.last; ++tile) {
    const Place place = place_of(grid, tile);
    Rows from;
    for (int a = 0; a < 4; ++a)
      for (int b = 0; b < 4; ++b)
        from[4 * a + b] =
            tiles + (position(a, b, is_reversed) * range.stride + tile - range.first) * channels;
    std::array<float*, 4> to;
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

void transform_weight(const float* weight, int64_t out, int64_t in, int64_t first, int64_t last,
                      float* transformed) {
  constexpr int64_t kBlock = 16;  // out channels side by side: whole cache lines are written
  for (int64_t block = first; block < last; block += kBlock)
    for (int64_t i = 0; i < in; ++i)
      for (int64_t o = block; o < last && o < block + kBlock; ++o) {
        const float* const g = weight + (o * in + i) * 9;
        std::array<std::array<float, 4>, 3> columns;  // G g, transposed
        for (int j = 0; j < 3; ++j) columns[j] = transform_three(g[j], g[3 + j], g[6 + j]);
        for (int a = 0; a < 4; ++a) {
          const auto row = transform_three(columns[0][a], columns[1][a], columns[2][a]);
          for (int b = 0; b < 4; ++b) transformed[((4 * a + b) * in + i) * out + o] = row[b];
        }
      }
}

}  // namespace sdlora::model::kernels
