#include "model/unet/ldm_unet_names.h"

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sdlora::model {
namespace {

using Renaming = std::pair<std::string_view, std::string_view>;

constexpr std::array<Renaming, 5> kOutside{{{"time_embed.0", "time_embedding.linear_1"},
                                            {"time_embed.2", "time_embedding.linear_2"},
                                            {"input_blocks.0.0", "conv_in"},
                                            {"out.0", "conv_norm_out"},
                                            {"out.2", "conv_out"}}};

constexpr std::array<Renaming, 6> kInResnet{{{"in_layers.0", "norm1"},
                                             {"in_layers.2", "conv1"},
                                             {"emb_layers.1", "time_emb_proj"},
                                             {"out_layers.0", "norm2"},
                                             {"out_layers.3", "conv2"},
                                             {"skip_connection", "conv_shortcut"}}};

constexpr std::array<Renaming, 1> kInDownsampler{{{"op", "conv"}}};
constexpr std::array<Renaming, 1> kInUpsampler{{{"conv", "conv"}}};

// LCM adds a layer under the name that diffusers gives it.
constexpr std::string_view kSameInBoth = "time_embedding.cond_proj";

// `name` is that of a module, or of something of it: "op", "op.weight".
template <size_t count>
std::optional<std::string> rename_module(std::string_view name, const std::array<Renaming, count>& table) {
  for (const auto& [from, to] : table)
    if (name == from || (name.starts_with(from) && name[from.size()] == '.'))
      return fmt::format("{}{}", to, name.substr(from.size()));
  return std::nullopt;
}

// The first `count` parts of a dotted name; empty when it has no more than that.
std::string first_parts(const std::string& name, int count) {
  size_t end = 0;
  for (int i = 0; i < count; ++i) {
    end = name.find('.', i == 0 ? 0 : end + 1);
    if (end == std::string::npos) return "";
  }
  return name.substr(0, end);
}

}  // namespace

LdmUnetNames::LdmUnetNames(const UNetConfig& config) {
  const size_t level_count = config.levels.size();
  for (size_t i = 0; i < level_count; ++i) add_level_down(config.levels[i], i, i + 1 == level_count);
  for (size_t i = 0; i < level_count; ++i)
    add_level_up(config.levels[level_count - 1 - i], i, i + 1 == level_count);
  blocks_["middle_block.0"] = {Kind::kResnet, "mid_block.resnets.0"};
  blocks_["middle_block.1"] = {Kind::kTransformer, "mid_block.attentions.0"};
  blocks_["middle_block.2"] = {Kind::kResnet, "mid_block.resnets.1"};
}

void LdmUnetNames::add_level_down(const UNetConfig::Level& level, size_t index, bool is_last) {
  for (int64_t i = 0; i < level.resnet_count; ++i, ++next_input_block_) {
    const std::string block = fmt::format("input_blocks.{}", next_input_block_);
    blocks_[block + ".0"] = {Kind::kResnet, fmt::format("down_blocks.{}.resnets.{}", index, i)};
    if (level.has_attention_down)
      blocks_[block + ".1"] = {Kind::kTransformer, fmt::format("down_blocks.{}.attentions.{}", index, i)};
  }
  if (is_last) return;
  blocks_[fmt::format("input_blocks.{}.0", next_input_block_++)] = {
      Kind::kDownsampler, fmt::format("down_blocks.{}.downsamplers.0", index)};
}

void LdmUnetNames::add_level_up(const UNetConfig::Level& level, size_t up_index, bool is_last) {
  for (int64_t i = 0; i <= level.resnet_count; ++i, ++next_output_block_) {
    const std::string block = fmt::format("output_blocks.{}", next_output_block_);
    blocks_[block + ".0"] = {Kind::kResnet, fmt::format("up_blocks.{}.resnets.{}", up_index, i)};
    if (level.has_attention_up)
      blocks_[block + ".1"] = {Kind::kTransformer, fmt::format("up_blocks.{}.attentions.{}", up_index, i)};
  }
  if (is_last) return;
  blocks_[fmt::format("output_blocks.{}.{}", next_output_block_ - 1, level.has_attention_up ? 2 : 1)] = {
      Kind::kUpsampler, fmt::format("up_blocks.{}.upsamplers.0", up_index)};
}

std::optional<std::string> LdmUnetNames::diffusers_name(const std::string& ldm_name) const {
  if (ldm_name.starts_with(kSameInBoth)) return ldm_name;
  if (auto renamed = rename_module(ldm_name, kOutside)) return renamed;
  const std::string path = first_parts(ldm_name, ldm_name.starts_with("middle_block.") ? 2 : 3);
  const auto found = blocks_.find(path);
  if (found == blocks_.end()) return std::nullopt;
  const std::string_view rest = std::string_view(ldm_name).substr(path.size() + 1);
  const auto inside = [&]() -> std::optional<std::string> {
    switch (found->second.kind) {
      case Kind::kResnet:
        return rename_module(rest, kInResnet);
      case Kind::kDownsampler:
        return rename_module(rest, kInDownsampler);
      case Kind::kUpsampler:
        return rename_module(rest, kInUpsampler);
      case Kind::kTransformer:
        return std::string(rest);
    }
    return std::nullopt;
  }();
  if (!inside) return std::nullopt;
  return found->second.path + "." + *inside;
}

}  // namespace sdlora::model
