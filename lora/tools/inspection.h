// What a person wants to know of an adapter's file: what it is, for which model, who trained it and how, how
// strong it is where, and what other programs make of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lora/adapter_file.h"
#include "lora/tools/file_survey.h"

namespace sdlora::lora {

// Modules of one sort, "UNet, attention".
struct ModuleGroup {
  std::string name;
  std::map<std::string, int64_t> kinds;                          // "LoRA": how many modules
  std::map<std::pair<int64_t, double>, int64_t> rank_and_alpha;  // of those that have them
};

struct BlockNorm {
  std::string block;  // "down_blocks.0", "text_model"
  double norm = 0;    // ‖ΔW‖ (Frobenius) of its modules together
  int64_t module_count = 0;
};

struct Inspection {
  FileSurvey file;
  std::string naming;  // "kohya"
  std::string family;  // "Stable Diffusion 1.x", or that of other models
  std::vector<ModuleGroup> groups;
  std::vector<BlockNorm> norms;      // in the model's order: text encoder, down, middle, up
  int64_t norms_of_model_count = 0;  // modules whose ΔW depends on the model's weights: not in `norms`
  LeftOut left_out;
  std::string refusal;  // why the file cannot be used; empty: it can
};

// Throws as survey().
Inspection inspect(const std::filesystem::path& path);

std::string to_text(const Inspection& inspection);
std::string to_json(const Inspection& inspection);

}  // namespace sdlora::lora
