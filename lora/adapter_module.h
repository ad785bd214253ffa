// A layer that is trained.
#pragma once

#include <cstdint>
#include <string>

#include "lora/names/model_modules.h"

namespace sdlora::lora {

struct AdapterModule {
  Network network;
  std::string path;     // of diffusers or transformers, which is of one network only
  int64_t in_features;  // that an output is made of: of a convolution in·k·k
  int64_t out_features;
  int64_t kernel_size;  // of a convolution, saved as [r, in, k, k] and [out, r, 1, 1]; 0: of a linear layer
  bool is_projection;   // whatever its weight's shape: lora_projection.h, else lora_convolution.h
  int64_t rank;
  double alpha;
  bool has_magnitude = false;  // DoRA's

  double scale() const { return alpha / static_cast<double>(rank); }

  int64_t parameter_count() const {
    return rank * (in_features + out_features) + (has_magnitude ? out_features : 0);
  }
};

}  // namespace sdlora::lora
