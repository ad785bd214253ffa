#include "model/kernels/geglu.h"

#include <vector>

#include <ATen/ATen.h>

#include "model/kernels/geglu_rows.h"
#include "model/kernels/hand_written_backward.h"
#include "model/kernels/number_type.h"
#include "model/kernels/row_parts.h"

namespace sdlora::model::kernels {
namespace {

at::Tensor geglu_gradient(const at::Tensor& x, const at::Tensor& output_gradient) {
  const int64_t channels = x.size(-1) / 2;
  const at::Tensor dy = output_gradient.contiguous();
  at::Tensor dx = at::empty_like(x);
  with_number_type(x.scalar_type(), [&](auto number) {
    using Number = decltype(number);
    for_each_row_part(x.numel() / x.size(-1), x.size(-1), [&](int64_t row, int64_t rows) {
      geglu_gradient_rows(numbers_of<const Number>(x) + 2 * row * channels,
                          numbers_of<const Number>(dy) + row * channels, rows, channels,
                          numbers_of<Number>(dx) + 2 * row * channels);
    });
  });
  return dx;
}

}  // namespace

at::Tensor geglu(const at::Tensor& x) {
  TORCH_CHECK(x.dim() > 0 && x.size(-1) > 0 && x.size(-1) % 2 == 0, "values and gates side by side are ",
              x.sizes());
  const at::Tensor input = x.detach().contiguous();
  const int64_t channels = x.size(-1) / 2;
  std::vector<int64_t> output_shape = x.sizes().vec();
  output_shape.back() = channels;
  at::Tensor y = at::empty(output_shape, x.options());
  with_number_type(x.scalar_type(), [&](auto number) {
    using Number = decltype(number);
    for_each_row_part(x.numel() / x.size(-1), x.size(-1), [&](int64_t row, int64_t rows) {
      geglu_rows(numbers_of<const Number>(input) + 2 * row * channels, rows, channels,
                 numbers_of<Number>(y) + row * channels);
    });
  });
  if (!wants_backward({x})) return y;
  return with_backward(y, {x}, [input](const at::Tensor& dy) -> std::vector<at::Tensor> {
    return {geglu_gradient(input, dy)};
  });
}

}  // namespace sdlora::model::kernels
