// A branch beside a convolution: A as the layer's convolution to r channels, B as one of 1×1.
#pragma once

#include "lora/branch.h"
#include "model/layers/convolution.h"

namespace sdlora::lora {

// [B, C, h, w] → [B h w, C], a view where it is channels last
at::Tensor rows_of_map(const at::Tensor& map);

// rows [B h w, C] → [B, C, h, w] of the batch and cells of `like`, a view that is channels last
at::Tensor map_of_rows(const at::Tensor& rows, const at::Tensor& like);

// A * x, rows [B h' w', r] of x [B, in, h, w]
at::Tensor reduced_by_a(const Branch& branch, const model::Convolution& base, const at::Tensor& x);

// y [B, out, h', w'] += scale · (rows [B h' w', r] bᵀ), b [out, r]
void add_rows(at::Tensor& y, const at::Tensor& rows, const at::Tensor& b, double scale);

// dA += s pᵀ * x of p [B h' w', r], and dx of the branch, s p * A: undefined unless it is wanted. `dy` is of
// the layer, for its shape.
at::Tensor add_a_gradient(const Branch& branch, const model::Convolution& base, const at::Tensor& p,
                          const at::Tensor& x, const at::Tensor& dy, bool wants_dx);

}  // namespace sdlora::lora
