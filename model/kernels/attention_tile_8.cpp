#include "model/kernels/attention_tile.h"

namespace sdlora::model::kernels {
namespace {

constexpr int kLanes = 8;
constexpr int kTileRows = 4, kTileVectors = 3;  // 12 sums, 3 columns and 1 row fit the 16 registers

#include "model/kernels/attention_tile.inc"

}  // namespace

AttentionTile<float> attention_tile_of_8_lanes() {
  return {.scratch_floats = scratch_floats, .forward = forward, .backward = backward};
}

}  // namespace sdlora::model::kernels
