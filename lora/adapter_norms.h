// How large an adapter has become, by block of the UNet.
#pragma once

#include <string>
#include <vector>

#include "lora/adapter.h"

namespace sdlora::lora {

struct BlockNorms {
  std::string block;  // "down_blocks.0", "mid_block", "up_blocks.3"
  double a;           // 2-norm of all A of the block
  double b;           // likewise of all B
};

// In the order of the modules. Waits for the device once.
std::vector<BlockNorms> block_norms(const Adapter& adapter);

}  // namespace sdlora::lora
