// What training makes, as our own file, lora_weights.pt with lora_weights.json beside it, which says what the
// tensors alone cannot; and as what an adapter's file holds, for writing it in other programs' names.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "checkpoint/named_tensors.h"
#include "lora/adapter_file.h"
#include "lora/lora_config.h"

namespace sdlora::lora {

struct TrainedAdapter {
  checkpoint::NamedTensors tensors;  // Adapter::named_tensors
  LoraConfig config;
  std::map<std::string, double> other_alphas = {};  // Adapter::other_alphas
  int64_t step = 0;                                 // optimiser steps it was trained for
  std::string base_model_hash;                      // SHA-256 of the UNet it was trained on
};

// `file` (torch.load reads it) and its .json sibling, each atomically. Throws Error(kIo).
void write_adapter(const std::filesystem::path& file, const TrainedAdapter& adapter);

// The same values as read_adapter() would find in a file of them. `file`: for messages.
AdapterFile as_adapter_file(const TrainedAdapter& adapter, const std::filesystem::path& file);

}  // namespace sdlora::lora
