#include "model/unet/ldm_unet_structure.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/error.h"

namespace sdlora::model {
namespace {

constexpr int64_t kHeadsOfSd1 = 8, kHeadWidthOfSd2 = 64;
constexpr int64_t kMostBlocks = 1'000;  // of a file that was made to harm; Stable Diffusion has 12 a side

class LdmUnet {
 public:
  LdmUnet(const StoredWeights& weights, const std::filesystem::path& file) : weights_(weights), file_(file) {}

  struct Block {
    int64_t channels;
    int64_t depth;  // blocks of its transformer; 0: none
  };

  struct Level {
    std::vector<Block> blocks;

    int64_t channels() const { return blocks.front().channels; }

    int64_t depth() const { return blocks.front().depth; }
  };

  bool has(const std::string& name) const { return weights_.contains(name); }

  // Nothing when there is no such tensor of that many dimensions.
  std::optional<int64_t> size(const std::string& name, size_t dimension) const {
    const auto found = weights_.find(name);
    if (found == weights_.end() || found->second.shape.size() <= dimension) return std::nullopt;
    return found->second.shape[dimension];
  }

  int64_t required_size(const std::string& name, size_t dimension) const {
    const auto found = size(name, dimension);
    if (!found) refuse("a tensor " + name, "none, or of another shape");
    return *found;
  }

  std::vector<Level> levels_down() const {
    std::vector<Level> levels(1);
    for (int64_t i = 1; has_block("input_blocks", i); ++i) {
      if (has(fmt::format("input_blocks.{}.0.op.weight", i)))
        levels.emplace_back();
      else
        levels.back().blocks.push_back(block_at(fmt::format("input_blocks.{}", i)));
    }
    for (const Level& level : levels) check_alike(level, "input_blocks");
    return levels;
  }

  // In the order of levels, finest first.
  std::vector<Level> levels_up(const std::vector<Level>& down) const {
    std::vector<Level> up(down.size());
    int64_t next = 0;
    for (size_t i = down.size(); i-- > 0;) {
      for (size_t j = 0; j <= down[i].blocks.size(); ++j)
        up[i].blocks.push_back(block_at(fmt::format("output_blocks.{}", next++)));
      check_alike(up[i], "output_blocks");
    }
    return up;
  }

  int64_t depth_at(const std::string& transformer) const {
    int64_t depth = 0;
    while (depth < kMostBlocks &&
           has(fmt::format("{}.transformer_blocks.{}.norm1.weight", transformer, depth)))
      ++depth;
    return depth;
  }

  [[noreturn]] void refuse(const std::string& expected, const std::string& seen) const {
    throw Error(ExitCode::kBadData,
                {.what = "the checkpoint's UNet is not one of Stable Diffusion 1.x or 2.x",
                 .expected = expected,
                 .seen = seen,
                 .where = file_.string(),
                 .advice = "use a plain text-to-image model of Stable Diffusion 1.x or 2.x"});
  }

 private:
  bool has_block(const std::string& side, int64_t index) const {
    const std::string prefix = fmt::format("{}.{}.", side, index);
    const auto found = weights_.lower_bound(prefix);
    return index <= kMostBlocks && found != weights_.end() && found->first.starts_with(prefix);
  }

  Block block_at(const std::string& path) const {
    return {.channels = required_size(path + ".0.in_layers.2.weight", 0), .depth = depth_at(path + ".1")};
  }

  void check_alike(const Level& level, const std::string& side) const {
    if (level.blocks.empty()) refuse("resnets on every level", "a level without, in " + side);
    for (const Block& block : level.blocks)
      if (block.channels != level.channels() || block.depth != level.depth())
        refuse("one width and one depth of transformers on a level",
               fmt::format("{} channels with depth {} beside {} with depth {}, in {}", block.channels,
                           block.depth, level.channels(), level.depth(), side));
  }

  const StoredWeights& weights_;
  const std::filesystem::path& file_;
};

// Width of a caption token, from any cross-attention.
int64_t context_channels_of(const StoredWeights& weights, const LdmUnet& unet) {
  for (const auto& [name, weight] : weights)
    if (name.ends_with(".attn2.to_k.weight") && weight.shape.size() == 2) return weight.shape[1];
  unet.refuse("cross-attention to a caption", "none");
}

bool has_linear_projection(const StoredWeights& weights) {
  return std::ranges::any_of(weights, [](const auto& entry) {
    return entry.first.ends_with(".proj_in.weight") && entry.second.shape.size() == 2;
  });
}

}  // namespace

ModelConfig config_of_ldm_unet(const StoredWeights& weights, const std::filesystem::path& file) {
  const LdmUnet unet(weights, file);
  const std::vector<LdmUnet::Level> down = unet.levels_down(), up = unet.levels_up(down);
  const bool is_linear = has_linear_projection(weights);
  const int64_t mid_depth = unet.depth_at("middle_block.1");
  nlohmann::json channels, resnets, heads, depths;
  std::vector<std::string> down_types, up_types;
  for (size_t i = 0; i < down.size(); ++i) {
    const int64_t own_depth = std::max(down[i].depth(), up[i].depth());
    const bool is_last = i + 1 == down.size();
    if (down[i].depth() != 0 && up[i].depth() != 0 && down[i].depth() != up[i].depth())
      unet.refuse("transformers of one depth on both ways of a level",
                  fmt::format("depth {} down, {} up", down[i].depth(), up[i].depth()));
    if (is_last && own_depth != 0 && mid_depth != 0 && own_depth != mid_depth)
      unet.refuse("transformers of one depth on the last level and in the middle",
                  fmt::format("depth {} and {}", own_depth, mid_depth));
    channels.push_back(down[i].channels());
    resnets.push_back(down[i].blocks.size());
    heads.push_back(is_linear ? std::max<int64_t>(1, down[i].channels() / kHeadWidthOfSd2) : kHeadsOfSd1);
    depths.push_back(std::max({own_depth, is_last ? mid_depth : 0, int64_t{1}}));
    down_types.emplace_back(down[i].depth() == 0 ? "DownBlock2D" : "CrossAttnDownBlock2D");
    up_types.emplace_back(up[i].depth() == 0 ? "UpBlock2D" : "CrossAttnUpBlock2D");
  }
  std::ranges::reverse(up_types);  // diffusers counts from the coarsest level there
  nlohmann::json config{
      {"_class_name", "UNet2DConditionModel"},
      {"in_channels", unet.required_size("input_blocks.0.0.weight", 1)},
      {"out_channels", unet.required_size("out.2.weight", 0)},
      {"block_out_channels", channels},
      {"layers_per_block", resnets},
      {"down_block_types", down_types},
      {"up_block_types", up_types},
      {"transformer_layers_per_block", depths},
      {"cross_attention_dim", context_channels_of(weights, unet)},
      {"attention_head_dim", heads},
      {"use_linear_projection", is_linear},
      {"mid_block_type", mid_depth == 0 ? nlohmann::json() : nlohmann::json("UNetMidBlock2DCrossAttn")}};
  if (const auto width = unet.size("time_embedding.cond_proj.weight", 1))
    config["time_cond_proj_dim"] = *width;
  return {config, file};
}

}  // namespace sdlora::model
