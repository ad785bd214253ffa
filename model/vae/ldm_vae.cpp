#include "model/vae/ldm_vae.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "model/loading/canonical_names.h"

namespace sdlora::model {
namespace {

constexpr double kScalingFactorOfSd = 0.18215;
constexpr int64_t kMostVaeParts = 1'000;  // levels or layers, of a file that was made to harm

[[noreturn]] void refuse_vae(const std::filesystem::path& file, const std::string& expected,
                             const std::string& seen) {
  throw Error(ExitCode::kBadData, {.what = "the checkpoint's VAE is not one of Stable Diffusion",
                                   .expected = expected,
                                   .seen = seen,
                                   .where = file.string(),
                                   .advice = "give another one with --vae"});
}

int64_t vae_size(const StoredWeights& weights, const std::string& name, size_t dimension,
                 const std::filesystem::path& file) {
  const auto found = weights.find(name);
  if (found == weights.end() || found->second.shape.size() <= dimension)
    refuse_vae(file, "a tensor " + name, found == weights.end() ? "none" : "one of another shape");
  return found->second.shape[dimension];
}

int64_t layers_of(const StoredWeights& weights, int64_t level) {
  int64_t count = 0;
  while (count < kMostVaeParts &&
         weights.contains(fmt::format("encoder.down_blocks.{}.resnets.{}.conv1.weight", level, count)))
    ++count;
  return count;
}

int64_t levels_of_ldm(const StoredWeights& weights) {
  int64_t count = 0;
  while (count < kMostVaeParts &&
         weights.contains(fmt::format("encoder.down.{}.block.0.conv1.weight", count)))
    ++count;
  return count;
}

std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string joined_from(const std::vector<std::string_view>& parts, size_t first) {
  std::string joined;
  for (size_t i = first; i < parts.size(); ++i) joined += "." + std::string(parts[i]);
  return joined;
}

std::optional<int64_t> number_in(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "block.0.nin_shortcut.weight", from part `first` on → ".resnets.0.conv_shortcut.weight"
std::string resnet_name(const std::vector<std::string_view>& parts, size_t first) {
  const std::string leaf =
      parts[first + 2] == "nin_shortcut" ? "conv_shortcut" : std::string(parts[first + 2]);
  return fmt::format(".resnets.{}.{}{}", parts[first + 1], leaf, joined_from(parts, first + 3));
}

std::optional<std::string> middle_name(const std::vector<std::string_view>& parts) {
  const std::string side = std::string(parts[0]) + ".mid_block";
  if (parts[2] == "block_1") return side + ".resnets.0" + joined_from(parts, 3);
  if (parts[2] == "block_2") return side + ".resnets.1" + joined_from(parts, 3);
  if (parts[2] != "attn_1" || parts.size() < 5) return std::nullopt;
  for (const auto& [from, to] : {std::pair{"norm", "group_norm"},
                                 {"q", "to_q"},
                                 {"k", "to_k"},
                                 {"v", "to_v"},
                                 {"proj_out", "to_out.0"}})
    if (parts[3] == from) return fmt::format("{}.attentions.0.{}{}", side, to, joined_from(parts, 4));
  return std::nullopt;
}

std::optional<std::string> canonical_name_of(const std::string& ldm_name, int64_t level_count) {
  const std::vector<std::string_view> parts = parts_of(ldm_name);
  if (parts[0] == "quant_conv" || parts[0] == "post_quant_conv") return ldm_name;
  if ((parts[0] != "encoder" && parts[0] != "decoder") || parts.size() < 3) return std::nullopt;
  if (parts[1] == "conv_in" || parts[1] == "conv_out") return ldm_name;
  if (parts[1] == "norm_out") return fmt::format("{}.conv_norm_out{}", parts[0], joined_from(parts, 2));
  if (parts[1] == "mid") return middle_name(parts);
  const bool is_down = parts[1] == "down";
  if (parts[0] != (is_down ? "encoder" : "decoder") || (!is_down && parts[1] != "up") || parts.size() < 6)
    return std::nullopt;
  const auto level = number_in(parts[2]);
  if (!level || *level < 0 || *level >= level_count) return std::nullopt;
  const std::string block = is_down ? fmt::format("encoder.down_blocks.{}", *level)
                                    : fmt::format("decoder.up_blocks.{}", level_count - 1 - *level);
  if (parts[3] == "block" && parts.size() >= 7) return block + resnet_name(parts, 3);
  if (parts[3] == (is_down ? "downsample" : "upsample") && parts[4] == "conv")
    return fmt::format("{}.{}samplers.0.conv{}", block, is_down ? "down" : "up", joined_from(parts, 5));
  return std::nullopt;
}

}  // namespace

StoredWeights canonical_ldm_vae(const StoredWeights& weights) {
  const int64_t level_count = levels_of_ldm(weights);
  StoredWeights renamed;
  for (const auto& [name, weight] : weights)
    keep(renamed, canonical_name_of(name, level_count).value_or(name), name, weight);
  return canonical_vae(renamed);
}

ModelConfig config_of_vae(const StoredWeights& weights, const std::filesystem::path& file) {
  nlohmann::json channels, down_types, up_types;
  const int64_t layer_count = layers_of(weights, 0);
  for (int64_t level = 0; level < kMostVaeParts && layers_of(weights, level) > 0; ++level) {
    channels.push_back(
        vae_size(weights, fmt::format("encoder.down_blocks.{}.resnets.0.conv1.weight", level), 0, file));
    down_types.push_back("DownEncoderBlock2D");
    up_types.push_back("UpDecoderBlock2D");
  }
  if (channels.empty()) refuse_vae(file, "an encoder (encoder.down_blocks.0.resnets.0…)", "none");
  return {nlohmann::json{
              {"_class_name", "AutoencoderKL"},
              {"in_channels", vae_size(weights, "encoder.conv_in.weight", 1, file)},
              {"out_channels", vae_size(weights, "decoder.conv_out.weight", 0, file)},
              {"latent_channels", vae_size(weights, "decoder.conv_in.weight", 1, file)},
              {"block_out_channels", channels},
              {"layers_per_block", layer_count},
              {"down_block_types", down_types},
              {"up_block_types", up_types},
              {"scaling_factor", kScalingFactorOfSd},
              {"use_quant_conv", weights.contains("quant_conv.weight")},
              {"use_post_quant_conv", weights.contains("post_quant_conv.weight")},
              {"mid_block_add_attention", weights.contains("encoder.mid_block.attentions.0.to_q.weight")}},
          file};
}

}  // namespace sdlora::model
