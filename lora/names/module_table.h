// Which module of a model a name in an adapter's file is of. Names differ by program, and '_' in kohya's may
// stand for '.' or for itself: so the name is looked up among all spellings of the model's own modules, and
// never taken apart.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "lora/names/model_modules.h"

namespace sdlora::lora {

class ModuleTable {
 public:
  ModuleTable(const model::UNetConfig& unet, const model::ClipTextConfig& text);
  ModuleTable(const ModuleTable&) = delete;  // by_spelling_ points into modules_
  ModuleTable& operator=(const ModuleTable&) = delete;
  ModuleTable(ModuleTable&&) = default;
  ModuleTable& operator=(ModuleTable&&) = default;
  ~ModuleTable() = default;

  // Of models as they are published, for programs that know of none: Stable Diffusion 1.x, or 2.x.
  static ModuleTable standard(bool is_sd2);

  // `flat`: the module's name below its network, '.' made '_': in the paths of diffusers and transformers
  // (with and without "text_model"), in LDM's, or as old attention processors have it (attn1_to_out for
  // attn1.to_out.0). nullptr when the model has no such module.
  const ModelModule* find(const std::string& flat) const;

  const std::deque<ModelModule>& modules() const { return modules_; }

  int64_t context_channels() const { return context_channels_; }  // width of a caption's token

 private:
  void add(ModelModule module);

  std::deque<ModelModule> modules_;  // whose addresses stay
  std::map<std::string, const ModelModule*> by_spelling_;
  int64_t context_channels_;
};

}  // namespace sdlora::lora
