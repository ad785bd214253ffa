// What adapter to train (Hu et al. 2021, "LoRA"): W x becomes W x + (alpha / rank) B A x in the targeted
// layers of the UNet and, if asked for, of the text encoder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/words.h"
#include "lora/dropout_rates.h"

namespace sdlora::lora {

enum class LoraKind {
  kLora,
  kDora,  // with a magnitude for each output (magnitude.h)
};

inline Words<LoraKind> lora_kind_words() {
  return {{"lora", LoraKind::kLora}, {"dora", LoraKind::kDora}};
}

struct LoraConfig {
  LoraKind kind = LoraKind::kLora;
  int64_t rank = 16;
  double alpha = 1;
  std::string targets = "attn";            // attn, attn-mlp, full, or a regular expression on module paths
  int64_t conv_rank = 0;                   // of convolutions over several pixels; 0: rank
  double conv_alpha = 0;                   // likewise; 0: alpha
  std::vector<std::string> rank_patterns;  // REGEX=RANK[:ALPHA], the first that fits
  bool is_rank_stabilised = false;         // scale alpha / √rank (Kalajdzievski 2023, "rsLoRA")
  DropoutRates dropout = {};
  bool trains_text_encoder = false;  // besides the UNet
};

}  // namespace sdlora::lora
