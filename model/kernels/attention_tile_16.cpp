#include "model/kernels/attention_tile.h"

namespace sdlora::model::kernels {
namespace {

constexpr int kLanes = 16;
constexpr int kTileRows = 6, kTileVectors = 4;  // 24 sums, 4 columns and 1 row fit the 32 registers

#include "model/kernels/attention_tile.inc"

}  // namespace

AttentionTile<float> attention_tile_of_16_lanes() {
  return {.scratch_floats = scratch_floats, .forward = forward, .backward = backward};
}

}  // namespace sdlora::model::kernels
