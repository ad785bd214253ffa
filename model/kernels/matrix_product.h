// Matrix products of frozen layers by oneDNN or by ATen (MKL), behind one interface.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::model::kernels {

// left [n, k] · right [k, m], either possibly a transposed view, + bias [m] or undefined → [n, m]. Also many
// products at once, without bias: [p, n, k] · [p, k, m] → [p, n, m].
at::Tensor matrix_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias,
                          bool by_onednn);

}  // namespace sdlora::model::kernels
