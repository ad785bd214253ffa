// Adapters as files: ours, lora_weights.pt with lora_weights.json beside it, which says what the tensors
// alone cannot; and for reading every other naming of adapter_names.h, in .safetensors or .pt.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/named_tensors.h"
#include "lora/lora_config.h"
#include "model/unet/unet.h"

namespace sdlora::lora {

// What training makes.
struct TrainedAdapter {
  checkpoint::NamedTensors tensors;  // "<path>.lora_A" [r, in], "<path>.lora_B" [out, r], fp32
  LoraConfig config;
  int64_t step = 0;             // optimiser steps it was trained for
  std::string base_model_hash;  // SHA-256 of the UNet it was trained on
};

// `file` (torch.load reads it) and its .json sibling, each atomically. Throws Error(kIo).
void write_adapter(const std::filesystem::path& file, const TrainedAdapter& adapter);

// One module's branch, (alpha / r) B A.
struct LowRankPair {
  at::Tensor a;  // fp32 [r, in]; of a convolution [r, in, k, k]
  at::Tensor b;  // fp32 [out, r]; of a convolution [out, r, 1, 1]
  double alpha;
  std::vector<std::string> tensor_names;  // in the file: A, B, and alpha where there is one

  int64_t rank() const { return a.size(0); }

  double scale() const { return alpha / static_cast<double>(rank()); }

  // More than a matrix: a kernel that sees neighbours.
  bool has_spatial_kernel() const { return a.dim() == 4 && (a.size(2) > 1 || a.size(3) > 1); }
};

using LowRankPairs = std::map<std::string, LowRankPair>;  // by diffusers module path

// Tensor names by what kept them from being used: "LoHa", "of the text encoder".
using LeftOut = std::map<std::string, std::vector<std::string>>;

struct AdapterFile {
  std::filesystem::path file;
  std::string naming;  // "kohya"
  LowRankPairs unet;
  LowRankPairs text_encoder;
  LeftOut left_out;  // what this program cannot read; a module with one such tensor is here as a whole
  int64_t tensor_count = 0;
};

// A file that ends in .safetensors, or a .pt that torch.load reads as a dict of tensors. Ranks and alphas may
// differ between modules; default_alpha.h says what holds without alpha tensors. Throws Error(kBadData)
// naming file and tensor: half a pair, a module twice, shapes that do not go together, values that are not
// finite numbers.
AdapterFile read_adapter(const std::filesystem::path& file);

struct Applied {
  int64_t tensor_count;  // that found their module
  int64_t file_tensor_count;
  LeftOut left_out;  // the others; apply_adapter has warned of them
};

// Attaches the adapter for inference: W x becomes W x + strength (alpha / rank) B A x. With strength 0
// nothing is attached, so the UNet computes the base model's very bytes. Throws Error(kBadData) when not one
// tensor fits the UNet, or when one has its module's name but another shape.
Applied apply_adapter(model::UNet& unet, const AdapterFile& adapter, double strength,
                      const model::ComputeMode& mode);

// "72 of the text encoder (lora_te_…, lora_te_…, …); 3 of LoHa (…)"; empty for nothing.
std::string describe(const LeftOut& left_out);

}  // namespace sdlora::lora
