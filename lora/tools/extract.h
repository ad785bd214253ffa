// What a model was tuned by, as an adapter: of each layer's difference from the base model the greatest
// singular values (cloneofsimo/lora's and sd-scripts' extract_lora_from_models).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "lora/adapter_file.h"

namespace sdlora::lora {

struct ExtractOptions {
  int64_t rank = 16;
  int64_t conv_rank = 0;           // of kernels over several pixels; 0: without them
  double least_difference = 0.01;  // a text encoder with none above it is left out
};

struct Extracted {
  AdapterFile adapter;
  double lost_share = 0;  // of the Frobenius norm of all differences together
  bool has_text_encoder = false;
};

// `base`, `tuned`: models as --model takes them. Modules are those that --lora-targets attn-mlp trains, with
// `conv_rank` those of full, and the text encoder's. A layer at a time is in memory. `between_modules` is
// called after each. Throws Error(kBadData) when the two are not of one architecture, or do not differ; what
// open_container throws.
Extracted extract(const std::filesystem::path& base, const std::filesystem::path& tuned,
                  const ExtractOptions& options, const std::function<void()>& between_modules = {});

}  // namespace sdlora::lora
