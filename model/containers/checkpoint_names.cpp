#include "model/containers/checkpoint_names.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

namespace sdlora::model {
namespace {

using Prefixes = std::pair<std::string_view, std::string_view>;

// In this order; the first that fits is applied.
constexpr std::array<Prefixes, 6> kOtherPrefixes{{
    {"vae.", kVaePrefix},
    {"conditioner.embedders.0.transformer.", kClipPrefix},
    {"conditioner.embedders.0.model.", kOpenClipPrefix},
    {"cond_stage_model.transformer.embeddings.", "cond_stage_model.transformer.text_model.embeddings."},
    {"cond_stage_model.transformer.encoder.", "cond_stage_model.transformer.text_model.encoder."},
    {"cond_stage_model.transformer.final_layer_norm.",
     "cond_stage_model.transformer.text_model.final_layer_norm."},
}};

constexpr std::array<std::string_view, 4> kOtherUnetPrefixes{"diffusion_model.", "model.model.", "net.",
                                                             "unet."};
constexpr std::array<std::string_view, 7> kUnetModules{"input_blocks.",  "middle_block.", "output_blocks.",
                                                       "time_embed.",    "out.",          "label_emb.",
                                                       "time_embedding."};
constexpr std::array<std::string_view, 4> kVaeModules{"encoder.", "decoder.", "quant_conv.",
                                                      "post_quant_conv."};

constexpr std::array<std::string_view, 14> kScheduleTables{"betas",
                                                           "alphas_cumprod",
                                                           "alphas_cumprod_prev",
                                                           "sqrt_alphas_cumprod",
                                                           "sqrt_one_minus_alphas_cumprod",
                                                           "log_one_minus_alphas_cumprod",
                                                           "sqrt_recip_alphas_cumprod",
                                                           "sqrt_recipm1_alphas_cumprod",
                                                           "posterior_variance",
                                                           "posterior_log_variance_clipped",
                                                           "posterior_mean_coef1",
                                                           "posterior_mean_coef2",
                                                           "logvar",
                                                           "lvlb_weights"};
constexpr std::array<std::string_view, 6> kMarkerTensors{"scale_factor", "v_pred",          "ztsnr",
                                                         "model.ztsnr",  "denoiser.sigmas", "model.v_pred"};
constexpr std::array<std::string_view, 4> kLeftOverPrefixes{kEmaPrefix, "embedding_manager",
                                                            "cond_stage_model.", "first_stage_model.loss."};

template <size_t count>
bool begins_with_any(std::string_view name, const std::array<std::string_view, count>& prefixes) {
  return std::ranges::any_of(prefixes, [name](std::string_view prefix) { return name.starts_with(prefix); });
}

std::string usual_name(std::string_view name, std::optional<std::string_view> unet_prefix,
                       bool has_plain_vae) {
  constexpr std::string_view kNesting = "state_dict.";
  if (name.starts_with(kNesting)) name.remove_prefix(kNesting.size());
  if (unet_prefix && name.starts_with(*unet_prefix) &&
      begins_with_any(name.substr(unet_prefix->size()), kUnetModules))
    return std::string(kUnetPrefix) + std::string(name.substr(unet_prefix->size()));
  if (has_plain_vae && begins_with_any(name, kVaeModules)) return std::string(kVaePrefix) + std::string(name);
  for (const auto& [other, usual] : kOtherPrefixes)
    if (name.starts_with(other)) {
      const std::string renamed = std::string(usual) + std::string(name.substr(other.size()));
      return usual == kClipPrefix ? usual_name(renamed, unet_prefix, has_plain_vae) : renamed;
    }
  return std::string(name);
}

// Of a file without the usual one; empty when the names begin with the modules.
std::optional<std::string_view> unet_prefix_in(const StoredWeights& weights) {
  if (has_prefix(weights, kUnetPrefix) || has_prefix(weights, "state_dict.model.diffusion_model."))
    return std::nullopt;
  for (const std::string_view prefix : kOtherUnetPrefixes)
    if (weights.contains(std::string(prefix) + "input_blocks.0.0.weight")) return prefix;
  return "";
}

}  // namespace

StoredWeights with_usual_prefixes(const StoredWeights& weights) {
  const std::optional<std::string_view> unet_prefix = unet_prefix_in(weights);
  const bool has_plain_vae =
      weights.contains("decoder.conv_in.weight") && !has_prefix(weights, "first_stage_model.");
  StoredWeights usual;
  std::map<std::string, std::string> others;  // names that change
  for (const auto& [name, weight] : weights) {
    std::string renamed = usual_name(name, unet_prefix, has_plain_vae);
    if (renamed == name)
      usual.emplace(name, weight);
    else
      others.emplace(name, std::move(renamed));
  }
  for (const auto& [name, renamed] : others) keep(usual, renamed, name, weights.at(name));
  return usual;
}

StoredWeights part_of(const StoredWeights& weights, std::string_view prefix) {
  StoredWeights part;
  for (auto entry = weights.lower_bound(std::string(prefix));
       entry != weights.end() && entry->first.starts_with(prefix); ++entry)
    part.emplace(entry->first.substr(prefix.size()), entry->second);
  return part;
}

bool has_prefix(const StoredWeights& weights, std::string_view prefix) {
  const auto found = weights.lower_bound(std::string(prefix));
  return found != weights.end() && found->first.starts_with(prefix);
}

bool is_known_to_be_unused(std::string_view name) {
  return std::ranges::find(kScheduleTables, name) != kScheduleTables.end() ||
         std::ranges::find(kMarkerTensors, name) != kMarkerTensors.end() ||
         begins_with_any(name, kLeftOverPrefixes);
}

}  // namespace sdlora::model
