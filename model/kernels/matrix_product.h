// Matrix products of frozen layers by oneDNN or by ATen (MKL), behind one interface.
#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

namespace sdlora::model::kernels {

// left [n, k] · right [k, m], either possibly a transposed view, + bias [m] or undefined → [n, m]. Also many
// products at once, without bias: [p, n, k] · [p, k, m] → [p, n, m]. All of left's type, fp32 or bfloat16
// (added in fp32); by oneDNN the product may be of another.
at::Tensor matrix_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias,
                          bool by_onednn, std::optional<at::ScalarType> product_dtype = std::nullopt);

}  // namespace sdlora::model::kernels
