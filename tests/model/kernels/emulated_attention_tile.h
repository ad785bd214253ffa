// Attention by tiles (model/kernels/attention_tiles_bf16.inc) whose tiles are emulated: wants AVX-512 with
// BF16, but no AMX.
#pragma once

#include "model/kernels/attention_tile.h"

namespace sdlora::model::kernels {

AttentionTile<BFloat16Bits> attention_tile_of_emulated_tiles();

}  // namespace sdlora::model::kernels
