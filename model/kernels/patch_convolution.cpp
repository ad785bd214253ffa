#include "model/kernels/patch_convolution.h"

#include <algorithm>
#include <cstring>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "model/kernels/matrix_product.h"
#include "model/kernels/number_type.h"
#include "model/kernels/patches.h"

namespace sdlora::model::kernels {
namespace {

// At a time, but at least one sample: nine times their numbers are in memory.
constexpr int64_t kCells = 256;

int64_t samples_at_a_time(at::IntArrayRef shape) {
  return std::max<int64_t>(1, kCells / (shape[2] * shape[3]));
}

// [B, C, h, w], channels last → [B h w, C], a view
at::Tensor rows_of(const at::Tensor& activation) {
  return activation.permute({0, 2, 3, 1}).reshape({-1, activation.size(1)});
}

PatchGrid grid_of(const at::Tensor& x) {  // [B, C, h, w]
  return {x.size(0), x.size(2), x.size(3), x.size(1)};
}

// x [B, in, h, w], channels last → [B h w, 9 in]
at::Tensor patches_of(const at::Tensor& x) {
  const PatchGrid grid = grid_of(x);
  at::Tensor patches = at::empty({grid.cells(), grid.patch()}, x.options());
  const at::Tensor zeros = at::zeros({grid.channels}, x.options());
  with_number_type(x.scalar_type(), [&](auto number) {
    using Number = decltype(number);
    at::parallel_for(0, grid.cells(), /*grain_size=*/4, [&](int64_t first, int64_t last) {
      gather_patches(grid, numbers_of<Number>(x), numbers_of<Number>(zeros), first, last,
                     numbers_of<Number>(patches));
    });
  });
  return patches;
}

// patches [B h w, 9 in] f32 → x [B, in, h, w], channels last
void add_up(const at::Tensor& patches, const at::Tensor& x) {
  const PatchGrid grid = grid_of(x);
  const at::Tensor zeros = at::zeros({grid.patch()}, at::kFloat);
  with_number_type(x.scalar_type(), [&](auto number) {
    using Number = decltype(number);
    at::parallel_for(0, grid.cells(), /*grain_size=*/4, [&](int64_t first, int64_t last) {
      sum_patches(grid, patches.data_ptr<float>(), zeros.data_ptr<float>(), first, last,
                  numbers_of<Number>(x));
    });
  });
}

at::Tensor checked_channels_last(const at::Tensor& x, at::ScalarType dtype) {
  TORCH_CHECK(x.scalar_type() == dtype, "the convolution's weight is ", dtype, ", the activation ",
              x.scalar_type());
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

PatchConvolution::PatchConvolution(const at::Tensor& weight, const at::Tensor& bias,
                                   PreparedWeights* prepared)
    : out_(weight.size(0)),
      patch_(9 * weight.size(1)),
      dtype_(weight.scalar_type()),
      plain_(weight.reshape({out_, patch_})),
      bias_(bias.to(at::kFloat).unsqueeze(1)) {
  const bool is_mapped = !plain_.storage().resizable();  // as memory is that somebody else gave
  if (prepared == nullptr || is_mapped) return;
  copied_ = std::make_shared<PreparedWeight>(
      static_cast<int64_t>(plain_.nbytes()),
      [plain = plain_](void* place) { std::memcpy(place, plain.data_ptr(), plain.nbytes()); });
  prepared->add(copied_);
  plain_.reset();
}

at::Tensor PatchConvolution::weight() const {
  return copied_ ? at::from_blob(copied_->data(), {out_, patch_}, dtype_) : plain_;
}

at::Tensor PatchConvolution::forward(const at::Tensor& activation) {
  const at::Tensor x = checked_channels_last(activation, dtype_);
  at::Tensor y =
      at::empty({x.size(0), out_, x.size(2), x.size(3)}, x.options(), at::MemoryFormat::ChannelsLast);
  const int64_t step = samples_at_a_time(x.sizes());
  for (int64_t begin = 0; begin < x.size(0); begin += step) {
    const int64_t end = std::min(begin + step, x.size(0));
    const at::Tensor patches = patches_of(x.slice(0, begin, end));
    // The weight is the left side, which oneDNN reads where it is: as the right one it would be packed.
    const at::Tensor product =
        matrix_product(weight(), patches.t(), /*bias=*/{}, /*by_onednn=*/true, at::kFloat);  // [out, cells]
    rows_of(y.slice(0, begin, end)).copy_(product.add_(bias_).t());
  }
  return y;
}

at::Tensor PatchConvolution::input_gradient(const at::Tensor& output_gradient, at::IntArrayRef input_shape) {
  const at::Tensor dy = checked_channels_last(output_gradient, dtype_);
  at::Tensor dx = at::empty(input_shape, dy.options(), at::MemoryFormat::ChannelsLast);
  const int64_t step = samples_at_a_time(input_shape);
  for (int64_t begin = 0; begin < dy.size(0); begin += step) {
    const int64_t end = std::min(begin + step, dy.size(0));
    at::Tensor rows = rows_of(dy.slice(0, begin, end));          // [cells, out]
    if (dtype_ == at::kFloat) rows = rows.t().contiguous().t();  // which oneDNN multiplies faster in fp32
    const at::Tensor patches = matrix_product(rows, weight(), /*bias=*/{}, /*by_onednn=*/true, at::kFloat);
    add_up(patches, dx.slice(0, begin, end));
  }
  return dx;
}

}  // namespace sdlora::model::kernels
