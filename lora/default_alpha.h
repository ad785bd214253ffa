// Alpha of the modules whose file holds no alpha tensor. Where it is looked for, by the file's naming:
//
//   sdlora      FILE.json beside it, in a checkpoint its state.json, else 1
//   kohya       metadata ss_network_alpha, else the module's rank
//   diffusers   metadata lora_adapter_metadata (the arguments of PEFT's LoraConfig), else the rank
//   PEFT        adapter_config.json beside it, else as diffusers
//   cloneofsimo the rank
//
// Taking the rank makes the scale 1, as diffusers (utils/peft_utils.py get_peft_kwargs), kohya and ComfyUI
// do.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/named_tensors.h"
#include "common/pattern.h"
#include "lora/names/adapter_names.h"
#include "lora/names/model_modules.h"

namespace sdlora::lora {

// FILE.json of FILE.pt, which write_adapter writes.
std::filesystem::path description_of(const std::filesystem::path& adapter_file);

class DefaultAlpha {
 public:
  DefaultAlpha(std::filesystem::path file, checkpoint::Metadata metadata)
      : file_(std::move(file)), metadata_(std::move(metadata)) {}

  struct Module {
    Naming naming;
    Network network;
    std::string path;
  };

  // The alpha that, over `rank`, gives the scale of `module`. Says once in the log when it has to guess.
  // Throws Error(kBadData) naming the description that is malformed.
  double of(const Module& module, int64_t rank);

 private:
  struct SdloraAlphas {
    double alpha;
    std::map<std::string, double> others;  // by the module's path
  };

  static SdloraAlphas read_description(const std::filesystem::path& file);
  static SdloraAlphas read_run_state(const std::filesystem::path& file);

  struct PeftConfig {
    double alpha;
    bool is_rank_stabilised;  // the scale is alpha / √rank (Kalajdzievski 2023)
    std::vector<std::pair<Pattern, double>> alpha_patterns;

    double alpha_of(const std::string& path, int64_t rank) const;
  };

  // Read when first asked for: a .json beside a file of another naming is none of ours.
  const std::optional<SdloraAlphas>& sdlora_alphas();
  std::optional<double> kohya_alpha() const;
  const std::optional<PeftConfig>& peft_config(const Module& module);
  std::optional<PeftConfig> read_peft_config(const Module& module) const;
  void warn_once(const std::string& text);

  std::filesystem::path file_;
  checkpoint::Metadata metadata_;
  std::optional<std::optional<SdloraAlphas>> sdlora_alphas_;
  std::map<std::pair<Naming, Network>, std::optional<PeftConfig>> peft_configs_;
  bool has_warned_ = false;
};

}  // namespace sdlora::lora
