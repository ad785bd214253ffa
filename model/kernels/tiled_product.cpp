#include "model/kernels/tiled_product.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace sdlora::model::kernels {
namespace {

// Rows that are multiplied with a part of the weight while it is in tiles.
constexpr int64_t kRowChunk = 1024;

BFloat16Bits* bits_of(const at::Tensor& x) {
  return static_cast<BFloat16Bits*>(x.data_ptr());
}

bool is_matrix_of_bfloat16(const at::Tensor& x) {
  return x.dim() == 2 && x.scalar_type() == at::kBFloat16;
}

bool is_transposed(const at::Tensor& right) {
  return right.stride(0) == 1;
}

}  // namespace

bool takes_tiles(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias) {
  const bool bias_fits = !bias.defined() || (bias.scalar_type() == at::kBFloat16 && bias.is_contiguous() &&
                                             is_transposed(right));
  return is_matrix_of_bfloat16(left) && is_matrix_of_bfloat16(right) && left.stride(1) == 1 &&
         left.size(0) > 0 && left.size(1) % TileProduct::kMultiple == 0 &&
         right.size(1) % TileProduct::kMultiple == 0 && (is_transposed(right) || right.stride(1) == 1) &&
         bias_fits;
}

at::Tensor tiled_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias,
                         const TileProductKernel& kernel) {
  TORCH_CHECK(takes_tiles(left, right, bias), "tiles do not take this product");
  const int64_t rows = left.size(0), columns = right.size(1);
  at::Tensor out = at::empty({rows, columns}, left.options());
  const TileProduct product{.rows = rows,
                            .depth = left.size(1),
                            .left = bits_of(left),
                            .left_stride = left.stride(0),
                            .right = bits_of(right),
                            .right_stride = is_transposed(right) ? right.stride(1) : right.stride(0),
                            .right_is_transposed = is_transposed(right),
                            .bias = bias.defined() ? bits_of(bias) : nullptr,
                            .out = bits_of(out),
                            .out_stride = columns};
  const int64_t chunks = (rows + kRowChunk - 1) / kRowChunk, blocks = columns / TileProduct::kMultiple;
  at::parallel_for(0, chunks * blocks, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    const at::Tensor scratch = at::empty({kernel.scratch_bytes(std::min(rows, kRowChunk))}, at::kByte);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task / blocks * kRowChunk;
      kernel.multiply(product, first, std::min(rows, first + kRowChunk),
                      task % blocks * TileProduct::kMultiple, scratch.data_ptr());
    }
  });
  return out;
}

}  // namespace sdlora::model::kernels
