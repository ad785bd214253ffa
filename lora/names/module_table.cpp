#include "lora/names/module_table.h"

#include <string_view>

#include "lora/names/flat_name.h"

namespace sdlora::lora {

ModuleTable::ModuleTable(const model::UNetConfig& unet, const model::ClipTextConfig& text)
    : context_channels_(unet.levels.front().context_channels) {
  for (ModelModule& module : modules_of(unet)) add(std::move(module));
  for (ModelModule& module : modules_of(text)) add(std::move(module));
}

ModuleTable ModuleTable::standard(bool is_sd2) {
  return {standard_unet(is_sd2), standard_text_encoder(is_sd2)};
}

void ModuleTable::add(ModelModule module) {
  constexpr std::string_view kTextModel = "text_model.", kOut = ".to_out.0";
  const ModelModule& kept = modules_.emplace_back(std::move(module));
  by_spelling_.emplace(flat_name(kept.path), &kept);
  if (!kept.ldm_path.empty()) by_spelling_.emplace(flat_name(kept.ldm_path), &kept);
  if (kept.path.starts_with(kTextModel))
    by_spelling_.emplace(flat_name(kept.path.substr(kTextModel.size())), &kept);
  if (kept.path.ends_with(kOut))
    by_spelling_.emplace(flat_name(kept.path.substr(0, kept.path.size() - 2)), &kept);
}

const ModelModule* ModuleTable::find(const std::string& flat) const {
  const auto found = by_spelling_.find(flat);
  return found == by_spelling_.end() ? nullptr : found->second;
}

}  // namespace sdlora::lora
