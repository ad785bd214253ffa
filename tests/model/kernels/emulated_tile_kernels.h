// The kernels by tiles (model/kernels/attention_tiles_bf16.inc, tile_product.inc) with emulated ones: they
// want AVX-512 with BF16, but no AMX.
#pragma once

#include "model/kernels/attention_tile.h"
#include "model/kernels/tile_product.h"

namespace sdlora::model::kernels {

AttentionTile<BFloat16Bits> attention_tile_of_emulated_tiles();
TileProductKernel tile_product_of_emulated_tiles();

}  // namespace sdlora::model::kernels
