#include <immintrin.h>

#include "tests/model/kernels/emulated_tile_kernels.h"
#include "tests/support/emulated_tiles.h"

namespace sdlora::model::kernels {
namespace {

using Tiles = EmulatedTiles;

#include "model/kernels/tile_product.inc"

}  // namespace

TileProductKernel tile_product_of_emulated_tiles() {
  return {.scratch_bytes = scratch_bytes, .multiply = multiply};
}

}  // namespace sdlora::model::kernels
