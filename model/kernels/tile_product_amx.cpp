#include <immintrin.h>

#include "model/kernels/amx_tiles.h"
#include "model/kernels/tile_product.h"

namespace sdlora::model::kernels {
namespace {

using Tiles = AmxTiles;

#include "model/kernels/tile_product.inc"

}  // namespace

TileProductKernel tile_product_of_amx() {
  return {.scratch_bytes = scratch_bytes, .multiply = multiply};
}

}  // namespace sdlora::model::kernels
