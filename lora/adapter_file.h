// Adapters as files, read: ours (trained_adapter.h), and every other naming of names/adapter_names.h, in
// .safetensors or .pt.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/named_tensors.h"
#include "lora/kinds/dora.h"
#include "lora/kinds/low_rank.h"
#include "lora/kinds/module_change.h"
#include "lora/left_out.h"
#include "lora/names/module_table.h"

namespace sdlora::lora {

using LowRankPairs = std::map<std::string, LowRankPair>;    // by diffusers module path
using ModuleChanges = std::map<std::string, ModuleChange>;  // likewise; of both networks

struct AdapterFile {
  std::filesystem::path file;
  checkpoint::Metadata metadata;
  std::string naming;  // "kohya"
  LowRankPairs unet;
  LowRankPairs text_encoder;
  std::map<std::string, DoraPair> doras;  // by path, of both networks: what some of `others` are made of
  ModuleChanges others;  // modules of which the file has more than A and B, or something else
  LeftOut left_out;      // what this program cannot read; a module with one such tensor is here as a whole
  int64_t tensor_count = 0;
  std::optional<int64_t> context_channels;  // width of the captions' tokens that it was trained with
  std::string family;                       // of models that its names speak of, "Flux"; empty: none
};

// `file`: one that ends in .safetensors, a .pt that torch.load reads as a dict of tensors, or a folder of
// PEFT or diffusers with one of them. Modules are those of `table`; names of diffusers' paths that it does
// not have are read, too, and names of nothing known are left out. Ranks and alphas may differ between
// modules; default_alpha.h says what holds without alpha tensors. Throws Error(kBadData) naming file and
// tensor: half a pair, a module twice, shapes that do not go together, values that are not finite numbers;
// and for a file that is something else than an adapter. Throws Error(kUsage) for a folder without one.
AdapterFile read_adapter(const std::filesystem::path& file, const ModuleTable& table);

// Of no model in particular: modules are those of Stable Diffusion 1.x and 2.x as they are published.
AdapterFile read_adapter(const std::filesystem::path& file);

}  // namespace sdlora::lora
