#include "model/kernels/winograd_convolution.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "model/kernels/matrix_product.h"
#include "model/kernels/winograd_tiles.h"

namespace sdlora::model::kernels {
namespace {

// Tiles at a time: enough rows for the products, few enough that their numbers stay in the cache.
constexpr int64_t kTiles = 256;

// x [B, in, h, w], weight [16, in, out] (possibly a transposed view), bias [out] → [B, out, h, w]
at::Tensor convolve(const at::Tensor& activation, const at::Tensor& weight, const at::Tensor& bias,
                    bool is_reversed, bool by_onednn) {
  const at::Tensor x = activation.contiguous(at::MemoryFormat::ChannelsLast);
  const int64_t in = weight.size(1), out = weight.size(2);
  const at::Tensor y =
      at::empty({x.size(0), out, x.size(2), x.size(3)}, x.options(), at::MemoryFormat::ChannelsLast);
  const TileGrid grid = TileGrid::of(x.size(0), x.size(2), x.size(3));
  const at::Tensor zeros = at::zeros({in}, x.options());
  for (int64_t begin = 0; begin < grid.count(); begin += kTiles) {
    const int64_t count = std::min(kTiles, grid.count() - begin);
    const at::Tensor tiles = at::empty({16, count, in}, x.options());
    const auto part_of = [&](const at::Tensor& all, int64_t first) {  // one thread's tiles of [16, count, C]
      return all.data_ptr<float>() + first * all.size(2);
    };
    at::parallel_for(0, count, /*grain_size=*/8, [&](int64_t first, int64_t last) {
      gather_tiles(grid, x.data_ptr<float>(), in, {begin + first, begin + last, count}, is_reversed,
                   zeros.data_ptr<float>(), part_of(tiles, first));
    });
    const at::Tensor products = matrix_product(tiles, weight, /*bias=*/{}, by_onednn);  // [16, count, out]
    at::parallel_for(0, count, /*grain_size=*/8, [&](int64_t first, int64_t last) {
      const at::Tensor beyond = at::empty({out}, x.options());
      scatter_tiles(grid, part_of(products, first), out, {begin + first, begin + last, count}, is_reversed,
                    bias.data_ptr<float>(), beyond.data_ptr<float>(), y.data_ptr<float>());
    });
  }
  return y;
}

}  // namespace

WinogradConvolution::WinogradConvolution(const at::Tensor& weight, at::Tensor bias, bool by_onednn)
    : in_(weight.size(1)),
      out_(weight.size(0)),
      bias_(std::move(bias)),
      by_onednn_(by_onednn),
      transformed_(std::make_shared<PreparedWeight>(
          16 * in_ * out_, [plain = weight.contiguous(), in = in_, out = out_](float* place) {
            at::parallel_for(0, (out + 15) / 16, /*grain_size=*/1, [&](int64_t first, int64_t last) {
              transform_weight(plain.data_ptr<float>(), out, in, 16 * first, std::min(16 * last, out), place);
            });
          })) {}

at::Tensor WinogradConvolution::transformed() const {
  return at::from_blob(transformed_->data(), {16, in_, out_}, at::kFloat);
}

at::Tensor WinogradConvolution::forward(const at::Tensor& x) {
  return convolve(x, transformed(), bias_, /*is_reversed=*/false, by_onednn_);
}

at::Tensor WinogradConvolution::input_gradient(const at::Tensor& dy, at::IntArrayRef input_shape) {
  const at::Tensor no_bias = at::zeros({input_shape[1]}, dy.options());
  return convolve(dy, transformed().transpose(1, 2), no_bias, /*is_reversed=*/true, by_onednn_);
}

}  // namespace sdlora::model::kernels
