// What adapter to train (Hu et al. 2021, "LoRA"): W x becomes W x + (alpha / rank) B A x in the targeted
// projections.
#pragma once

#include <cstdint>
#include <string>

namespace sdlora::lora {

struct LoraConfig {
  int64_t rank = 16;
  double alpha = 1;
  std::string targets = "attn";  // attn, attn-mlp, or a regular expression on module paths

  double scale() const { return alpha / static_cast<double>(rank); }
};

}  // namespace sdlora::lora
