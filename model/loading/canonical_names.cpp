#include "model/loading/canonical_names.h"

#include <array>
#include <string_view>
#include <utility>

namespace sdlora::model {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOldAttention{
    {{"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}}};

// "encoder.mid_block.attentions.0.query.weight" → "….to_q.weight"
std::string current_vae_name(const std::string& name) {
  const size_t leaf = name.rfind('.');
  if (leaf == std::string::npos || name.find(".attentions.") == std::string::npos) return name;
  const size_t module = name.rfind('.', leaf - 1) + 1;
  for (const auto& [old_name, new_name] : kOldAttention)
    if (std::string_view(name).substr(module, leaf - module) == old_name)
      return name.substr(0, module) + std::string(new_name) + name.substr(leaf);
  return name;
}

bool is_attention_matrix(const std::string& name) {
  return name.find(".attentions.") != std::string::npos && name.ends_with(".weight") &&
         name.find(".to_") != std::string::npos;
}

// [out, in, 1, 1] → [out, in]
void drop_kernel_of_one(std::vector<int64_t>& shape) {
  while (shape.size() > 2 && shape.back() == 1) shape.pop_back();
}

bool is_unused_by_text_encoder(std::string_view name) {
  for (const std::string_view prefix : {"vision_model.", "visual_projection."})
    if (name.starts_with(prefix)) return true;
  return name == "text_projection.weight" || name == "logit_scale" || name.ends_with("position_ids");
}

}  // namespace

StoredWeights canonical_vae(const StoredWeights& weights) {
  StoredWeights canonical;
  for (const auto& [name, weight] : weights) {
    const std::string current = current_vae_name(name);
    StoredWeight kept = weight;
    if (is_attention_matrix(current)) drop_kernel_of_one(kept.shape);
    keep(canonical, current, name, kept);
  }
  return canonical;
}

StoredWeights canonical_text_encoder(const StoredWeights& weights) {
  constexpr std::string_view kOldPrefix = "text_model.";
  StoredWeights canonical;
  for (const auto& [name, weight] : weights) {
    if (is_unused_by_text_encoder(name)) continue;
    keep(canonical, name.starts_with(kOldPrefix) ? name.substr(kOldPrefix.size()) : name, name, weight);
  }
  return canonical;
}

}  // namespace sdlora::model
