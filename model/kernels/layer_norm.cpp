#include "model/kernels/layer_norm.h"

#include <ATen/ATen.h>

#include "model/kernels/hand_written_backward.h"
#include "model/kernels/layer_norm_rows.h"
#include "model/kernels/number_type.h"
#include "model/kernels/row_parts.h"

namespace sdlora::model::kernels {
namespace {

// What the forward leaves for the backward.
struct SavedTokens {
  at::Tensor x;           // [..., C] what was normalised
  at::Tensor weight;      // [C] f32
  at::Tensor statistics;  // [rows, 2] f32: mean, 1 / deviation
};

// Of what was normalised; `around` and dy [..., C], either possibly undefined.
at::Tensor layer_norm_gradient(const SavedTokens& saved, const at::Tensor& around, const at::Tensor& dy) {
  if (!dy.defined()) return around;
  const int64_t channels = saved.x.size(-1);
  const at::Tensor of_output = dy.contiguous(), beside = around.defined() ? around.contiguous() : around;
  at::Tensor dx = at::empty_like(saved.x);
  with_number_type(dx.scalar_type(), [&](auto number) {
    using Number = decltype(number);
    const auto* const around_numbers = numbers_if_any<const Number>(beside);
    for_each_row_part(dx.numel() / channels, channels, [&](int64_t row, int64_t rows) {
      const int64_t offset = row * channels;
      layer_norm_gradient_rows({rows, channels}, numbers_of<const Number>(saved.x) + offset,
                               numbers_of<const Number>(of_output) + offset,
                               around_numbers == nullptr ? nullptr : around_numbers + offset,
                               saved.weight.data_ptr<float>(), saved.statistics.data_ptr<float>() + 2 * row,
                               numbers_of<Number>(dx) + offset);
    });
  });
  return dx;
}

}  // namespace

Normalized layer_norm(const at::Tensor& x, const at::Tensor& added, const at::Tensor& weight,
                      const at::Tensor& bias, double eps) {
  const int64_t channels = x.size(-1);
  const at::Tensor left = x.detach().contiguous();
  const at::Tensor right = added.defined() ? added.detach().contiguous() : at::Tensor();
  TORCH_CHECK(!right.defined() || (right.sizes() == left.sizes() && right.dtype() == left.dtype()),
              "a sum to normalise of ", left.sizes(), " and ", right.sizes());
  const at::Tensor sum = right.defined() ? at::empty_like(left) : left;
  const SavedTokens saved{.x = sum,
                          .weight = weight.to(at::kFloat),
                          .statistics = at::empty({x.numel() / channels, 2}, at::kFloat)};
  const at::Tensor shift = bias.to(at::kFloat);
  at::Tensor y = at::empty_like(left);
  with_number_type(x.scalar_type(), [&](auto number) {
    using Number = decltype(number);
    const auto* const added_numbers = numbers_if_any<const Number>(right);
    for_each_row_part(left.numel() / channels, channels, [&](int64_t row, int64_t rows) {
      const int64_t offset = row * channels;
      layer_norm_rows({rows, channels}, numbers_of<const Number>(left) + offset,
                      added_numbers == nullptr ? nullptr : added_numbers + offset,
                      saved.weight.data_ptr<float>(), shift.data_ptr<float>(), static_cast<float>(eps),
                      numbers_of<Number>(sum) + offset, numbers_of<Number>(y) + offset,
                      saved.statistics.data_ptr<float>() + 2 * row);
    });
  });
  if (!wants_backward({x, added})) return {sum, y};
  const auto outputs = with_joint_backward({sum.detach(), y}, {x, added},
                                           [saved](at::ArrayRef<at::Tensor> dys) -> std::vector<at::Tensor> {
                                             const at::Tensor dx = layer_norm_gradient(saved, dys[0], dys[1]);
                                             return {dx, dx};
                                           });
  return {outputs[0], outputs[1]};
}

}  // namespace sdlora::model::kernels
