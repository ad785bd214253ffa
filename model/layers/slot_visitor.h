// A walk over all layers that can take an adapter.
#pragma once

#include <functional>
#include <string>

#include "model/layers/convolution_slot.h"
#include "model/layers/projection.h"

namespace sdlora::model {

// Called with the diffusers module path ("mid_block.attentions.0.transformer_blocks.0.attn1.to_q") and its
// slot, whose content may be replaced.
struct SlotVisitor {
  std::function<void(const std::string& path, ProjectionSlot& slot)> projection;
  std::function<void(const std::string& path, ConvolutionSlot& slot)> convolution;
};

}  // namespace sdlora::model
