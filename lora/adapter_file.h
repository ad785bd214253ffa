// lora_weights.pt, and lora_weights.json beside it, which says what the tensors alone cannot.
#pragma once

#include <filesystem>
#include <optional>

#include "checkpoint/named_tensors.h"
#include "lora/lora_config.h"
#include "model/unet.h"

namespace sdlora::lora {

struct AdapterFile {
  checkpoint::NamedTensors tensors;  // "<path>.lora_A" [r, in], "<path>.lora_B" [out, r], fp32
  LoraConfig config;
  int64_t step = 0;             // optimiser steps it was trained for
  std::string base_model_hash;  // SHA-256 of the UNet it was trained on
};

// `file` (torch.load reads it) and its .json sibling, each atomically. Throws Error(kIo).
void write_adapter(const std::filesystem::path& file, const AdapterFile& adapter);

// Without the .json sibling alpha is 1, and the log says so. Throws Error(kBadData).
AdapterFile read_adapter(const std::filesystem::path& file);

struct Applied {
  int64_t tensor_count;  // that found their module
  int64_t file_tensor_count;
};

// Attaches the adapter for inference: W x + strength (alpha / rank) B A x.
// Throws Error(kBadData) when not one tensor fits the UNet.
Applied apply_adapter(model::UNet& unet, const AdapterFile& adapter, double strength,
                      const model::Placement& placement);

}  // namespace sdlora::lora
