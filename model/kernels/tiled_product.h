// Products of frozen layers in bfloat16 by the CPU's tiles, on all threads.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/tile_product.h"

namespace sdlora::model::kernels {

// True where left [n, k], right [k, m] and bias [m] or undefined are what tiled_product() takes: bfloat16 in
// rows that are dense, k and m multiples of 32, right in dense rows or the transpose of such, a bias only
// with the latter.
bool takes_tiles(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias);

// left · right + bias → [n, m]. Throws c10::Error where takes_tiles() says no.
at::Tensor tiled_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias,
                         const TileProductKernel& kernel);

}  // namespace sdlora::model::kernels
