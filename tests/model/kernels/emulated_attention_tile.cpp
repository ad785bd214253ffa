#include "tests/model/kernels/emulated_attention_tile.h"

#include <immintrin.h>

#include "tests/support/emulated_tiles.h"

namespace sdlora::model::kernels {
namespace {

using Tiles = EmulatedTiles;

#include "model/kernels/attention_tiles_bf16.inc"

}  // namespace

AttentionTile<BFloat16Bits> attention_tile_of_emulated_tiles() {
  return {.scratch_floats = scratch_floats, .forward = forward, .backward = backward};
}

}  // namespace sdlora::model::kernels
