#include "model/unet/unet_modules.h"

#include <fmt/format.h>

namespace sdlora::model {
namespace {

// The place of a block or layer in both namings.
struct Place {
  std::string path, ldm;
};

class UNetModules {
 public:
  explicit UNetModules(const UNetConfig& unet) : unet_(unet) {}

  std::vector<UNetModule> list() {
    const int64_t first = unet_.levels.front().channels, time = unet_.time_channels();
    add({"conv_in", "input_blocks.0.0"}, {first, unet_.in_channels, 3, 3});
    add({"time_embedding.linear_1", "time_embed.0"}, {time, first});
    add({"time_embedding.linear_2", "time_embed.2"}, {time, time});
    int64_t ldm_block = 1;
    for (size_t level = 0; level < unet_.levels.size(); ++level) add_down_block(level, ldm_block);
    ldm_block = 0;
    for (size_t level = unet_.levels.size(); level-- > 0;) add_up_block(level, ldm_block);
    const size_t coarsest = unet_.levels.size() - 1;
    const int64_t channels = unet_.levels[coarsest].channels;
    if (unet_.has_mid_block) {
      add_transformer({"mid_block.attentions.0", "middle_block.1"}, coarsest);
      add_resnet({"mid_block.resnets.0", "middle_block.0"}, channels, channels);
      add_resnet({"mid_block.resnets.1", "middle_block.2"}, channels, channels);
    }
    add({"conv_norm_out", "out.0"}, {first});
    add({"conv_out", "out.2"}, {unet_.out_channels, first, 3, 3});
    return std::move(modules_);
  }

 private:
  void add(const Place& place, std::vector<int64_t> shape) {
    modules_.push_back({place.path, place.ldm, std::move(shape)});
  }

  void add_below(const Place& place, const char* path, const char* ldm, std::vector<int64_t> shape) {
    add({place.path + "." + path, place.ldm + "." + ldm}, std::move(shape));
  }

  void add_down_block(size_t level, int64_t& ldm_block) {
    const UNetConfig::Level& l = unet_.levels[level];
    const std::string block = fmt::format("down_blocks.{}", level);
    if (l.has_attention_down)
      for (int64_t i = 0; i < l.resnet_count; ++i)
        add_transformer(
            {fmt::format("{}.attentions.{}", block, i), fmt::format("input_blocks.{}.1", ldm_block + i)},
            level);
    int64_t in_channels = unet_.levels[level == 0 ? 0 : level - 1].channels;
    for (int64_t i = 0; i < l.resnet_count; ++i) {
      add_resnet({fmt::format("{}.resnets.{}", block, i), fmt::format("input_blocks.{}.0", ldm_block + i)},
                 in_channels, l.channels);
      in_channels = l.channels;
    }
    if (level + 1 < unet_.levels.size())
      add({block + ".downsamplers.0.conv", fmt::format("input_blocks.{}.0.op", ldm_block + l.resnet_count)},
          {l.channels, l.channels, 3, 3});
    ldm_block += l.resnet_count + 1;
  }

  void add_up_block(size_t level, int64_t& ldm_block) {
    const UNetConfig::Level& l = unet_.levels[level];
    const std::string block = fmt::format("up_blocks.{}", unet_.levels.size() - 1 - level);
    const int64_t count = l.resnet_count + 1;
    if (l.has_attention_up)
      for (int64_t i = 0; i < count; ++i)
        add_transformer(
            {fmt::format("{}.attentions.{}", block, i), fmt::format("output_blocks.{}.1", ldm_block + i)},
            level);
    const bool is_coarsest = level + 1 == unet_.levels.size();
    const int64_t finer_channels = unet_.levels[level == 0 ? 0 : level - 1].channels;
    int64_t in_channels = is_coarsest ? l.channels : unet_.levels[level + 1].channels;
    for (int64_t i = 0; i < count; ++i) {
      add_resnet({fmt::format("{}.resnets.{}", block, i), fmt::format("output_blocks.{}.0", ldm_block + i)},
                 in_channels + (i + 1 == count ? finer_channels : l.channels), l.channels);
      in_channels = l.channels;
    }
    if (level > 0)  // after the resnet and the transformer of the block's last place
      add({block + ".upsamplers.0.conv",
           fmt::format("output_blocks.{}.{}.conv", ldm_block + count - 1, l.has_attention_up ? 2 : 1)},
          {l.channels, l.channels, 3, 3});
    ldm_block += count;
  }

  void add_resnet(const Place& place, int64_t in, int64_t out) {
    add_below(place, "norm1", "in_layers.0", {in});
    add_below(place, "conv1", "in_layers.2", {out, in, 3, 3});
    add_below(place, "time_emb_proj", "emb_layers.1", {out, unet_.time_channels()});
    add_below(place, "norm2", "out_layers.0", {out});
    add_below(place, "conv2", "out_layers.3", {out, out, 3, 3});
    if (in != out) add_below(place, "conv_shortcut", "skip_connection", {out, in, 1, 1});
  }

  void add_transformer(const Place& place, size_t level) {
    const UNetConfig::Level& l = unet_.levels[level];
    const int64_t channels = l.channels;
    const std::vector<int64_t> projection = unet_.uses_linear_projection
                                                ? std::vector<int64_t>{channels, channels}
                                                : std::vector<int64_t>{channels, channels, 1, 1};
    add_below(place, "norm", "norm", {channels});
    add_below(place, "proj_in", "proj_in", projection);
    for (int64_t i = 0; i < l.transformer_depth; ++i) {
      const std::string below = fmt::format(".transformer_blocks.{}", i);
      const Place block{place.path + below, place.ldm + below};
      const auto add_same = [&](const char* name, std::vector<int64_t> shape) {
        add_below(block, name, name, std::move(shape));
      };
      for (const char* name : {"norm1", "norm2", "norm3"}) add_same(name, {channels});
      for (const char* name : {"attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q"})
        add_same(name, {channels, channels});
      add_same("attn2.to_k", {channels, l.context_channels});
      add_same("attn2.to_v", {channels, l.context_channels});
      add_same("attn2.to_out.0", {channels, channels});
      add_same("ff.net.0.proj", {8 * channels, channels});
      add_same("ff.net.2", {channels, 4 * channels});
    }
    add_below(place, "proj_out", "proj_out", projection);
  }

  const UNetConfig& unet_;
  std::vector<UNetModule> modules_;
};

}  // namespace

std::vector<UNetModule> unet_modules_of(const UNetConfig& unet) {
  return UNetModules(unet).list();
}

}  // namespace sdlora::model
