#include "model/layers/linear.h"

#include "model/kernels/hand_written_backward.h"
#include "model/kernels/matrix_product.h"

namespace sdlora::model {

Linear::Linear(const WeightSource& weights, int64_t in, int64_t out, bool has_bias)
    : weight(weights.matrix("weight", out, in)),
      bias(has_bias ? weights.tensor("bias", {out}) : weights.added("bias", {out})),
      by_onednn(weights.mode().cpu_kernels.multiplies_by_onednn) {}

at::Tensor Linear::forward(const at::Tensor& x) const {
  if (!by_onednn) return at::linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
  std::vector<int64_t> output_shape = x.sizes().vec();
  output_shape.back() = weight.size(0);
  const at::Tensor rows = x.detach().reshape({-1, x.size(-1)});  // [n, in]
  at::Tensor y = kernels::matrix_product(rows, weight.t(), bias, by_onednn).view(output_shape);
  if (!kernels::wants_backward({x})) return y;
  return kernels::with_backward(
      y, {x}, [w = weight, input_shape = x.sizes().vec()](const at::Tensor& dy) -> std::vector<at::Tensor> {
        const at::Tensor dy_rows = dy.reshape({-1, w.size(0)});  // [n, out]
        return {kernels::matrix_product(dy_rows, w, /*bias=*/{}, /*by_onednn=*/true).view(input_shape)};
      });
}

}  // namespace sdlora::model
