#include <immintrin.h>

#include "model/kernels/amx_tiles.h"
#include "model/kernels/attention_tile.h"
#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {
namespace {

using Tiles = AmxTiles;

#include "model/kernels/attention_tiles_bf16.inc"

}  // namespace

AttentionTile<BFloat16Bits> attention_tile_of_amx() {
  return {.scratch_floats = scratch_floats, .forward = forward, .backward = backward};
}

}  // namespace sdlora::model::kernels
