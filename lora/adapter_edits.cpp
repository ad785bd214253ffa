#include "lora/adapter_edits.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/log.h"
#include "lora/adapter_fit.h"
#include "lora/names/flat_name.h"

namespace sdlora::lora {
namespace {

// What the file has for each module, whatever its kind.
ModuleChanges changes_of(const AdapterFile& adapter) {
  ModuleChanges changes = adapter.others;
  for (const LowRankPairs* pairs : {&adapter.unet, &adapter.text_encoder})
    for (const auto& [path, pair] : *pairs)
      changes.emplace(
          path, ModuleChange{.weight = low_rank_change(pair), .bias = {}, .tensor_names = pair.tensor_names});
  return changes;
}

void check_shapes(const AdapterFile& adapter, const ModelModule& module, const ModuleChange& change) {
  const std::string shape = fmt::format("{}", module.shape);
  if (change.weight.edit && !change.weight.fits(module.shape))
    refuse_shape(adapter, module.path, change.tensor_names, shape,
                 fmt::format("{} of {}", change.weight.kind, change.weight.shape));
  if (change.bias && change.bias_size != 0 && change.bias_size != module.shape.front())
    refuse_shape(adapter, module.path, change.tensor_names, fmt::format("a bias [{}]", module.shape.front()),
                 fmt::format("[{}]", change.bias_size));
}

}  // namespace

Applied AdapterEdits::add(const AdapterFile& adapter, double strength) {
  check_family(adapter, table_.context_channels());
  Applied applied{.tensor_count = 0, .file_tensor_count = adapter.tensor_count, .left_out = adapter.left_out};
  const ModuleChanges changes = changes_of(adapter);
  for (const auto& [path, change] : changes) {
    const ModelModule* module = table_.find(flat_name(path));
    if (module == nullptr) {
      std::vector<std::string>& names = applied.left_out[kNotInTheModel];
      names.insert(names.end(), change.tensor_names.begin(), change.tensor_names.end());
      continue;
    }
    check_shapes(adapter, *module, change);
    applied.tensor_count += static_cast<int64_t>(change.tensor_names.size());
    if (change.weight.edit) add(path + ".weight", change.weight.edit, strength);
    if (change.bias) add(path + ".bias", change.bias, strength);
  }
  if (applied.tensor_count == 0) refuse_unfit(adapter, applied.left_out);
  if (!applied.left_out.empty())
    log::warning(fmt::format("{}: not applied: {}", adapter.file.string(), describe(applied.left_out)));
  return applied;
}

void AdapterEdits::add(const std::string& weight_name, const Edit& edit, double strength) {
  if (strength != 0) edits_[weight_name].push_back({edit, strength});
}

const AdapterEdits::Edits* AdapterEdits::find(const std::string& weight_name) const {
  auto found = edits_.find(weight_name);
  if (found == edits_.end())
    found = edits_.find("text_model." + weight_name);  // WeightSource's names are without
  return found == edits_.end() ? nullptr : &found->second;
}

bool AdapterEdits::touches(const std::string& name) const {
  return find(name) != nullptr;
}

at::Tensor AdapterEdits::edited(const std::string& name, const at::Tensor& weight) const {
  at::Tensor changed = weight;
  for (const StrengthenedEdit& edit : *find(name)) changed = edit.edit(changed, edit.strength);
  return changed;
}

}  // namespace sdlora::lora
