#include "model/clip/ldm_text_encoder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/error.h"

namespace sdlora::model {
namespace {

constexpr int64_t kHeadWidth = 64;
constexpr int64_t kLayersOfVitH = 24;
constexpr int64_t kMostLayersOfFile = 1'000;
constexpr std::string_view kBlocks = "transformer.resblocks.";

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kInLayer{
    {{"ln_1.", "layer_norm1."},
     {"ln_2.", "layer_norm2."},
     {"attn.out_proj.", "self_attn.out_proj."},
     {"mlp.c_fc.", "mlp.fc1."},
     {"mlp.c_proj.", "mlp.fc2."}}};

int64_t matrix_size(const StoredWeights& weights, const std::string& name, size_t dimension,
                    const std::filesystem::path& file) {
  const auto found = weights.find(name);
  if (found == weights.end() || found->second.shape.size() != 2)
    throw Error(ExitCode::kBadData,
                {.what = "the checkpoint's text encoder is not CLIP's",
                 .expected = fmt::format("a matrix {}", name),
                 .seen = found == weights.end() ? "none" : "another shape",
                 .where = file.string(),
                 .advice = "use a plain text-to-image model of Stable Diffusion 1.x or 2.x"});
  return found->second.shape[dimension];
}

struct LayerName {
  int64_t layer;
  std::string rest;  // "attn.in_proj_weight"
};

std::optional<LayerName> in_block(const std::string& name) {
  if (!name.starts_with(kBlocks)) return std::nullopt;
  int64_t layer = 0;
  const char* const begin = name.data() + kBlocks.size();
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), layer);
  if (error != std::errc() || layer < 0 || layer > kMostLayersOfFile || end == name.data() + name.size() ||
      *end != '.')
    return std::nullopt;
  return LayerName{layer, std::string(end + 1, name.data() + name.size())};
}

// The last one; none in a file that was saved without it.
int64_t unused_layer_of(const StoredWeights& weights) {
  int64_t last = -1;
  for (const auto& [name, weight] : weights)
    if (const auto place = in_block(name)) last = std::max(last, place->layer);
  const auto width = weights.find("positional_embedding");
  const bool is_vit_h =
      width != weights.end() && !width->second.shape.empty() && width->second.shape.back() == kWidthOfVitH;
  if (!is_vit_h) return last;
  return last + 1 < kLayersOfVitH ? -1 : kLayersOfVitH - 1;
}

// The rows of query, key and value in their stack.
void add_input_projections(const std::string& layer, const std::string& leaf, const StoredWeight& stacked,
                           StoredWeights& canonical) {
  for (int64_t i = 0; i < 3; ++i) {
    StoredWeight one = stacked;
    one.shape.front() = stacked.shape.front() / 3;
    one.first_row = i * one.shape.front();
    canonical.emplace(fmt::format("{}self_attn.{}_proj.{}", layer, "qkv"[i], leaf), std::move(one));
  }
}

bool add_of_layer(const LayerName& place, const StoredWeight& weight, StoredWeights& canonical) {
  const std::string layer = fmt::format("encoder.layers.{}.", place.layer);
  for (const std::string leaf : {"weight", "bias"})
    if (place.rest == "attn.in_proj_" + leaf && !weight.shape.empty() && weight.shape.front() % 3 == 0) {
      add_input_projections(layer, leaf, weight, canonical);
      return true;
    }
  for (const auto& [from, to] : kInLayer)
    if (place.rest.starts_with(from)) {
      canonical.emplace(fmt::format("{}{}{}", layer, to, place.rest.substr(from.size())), weight);
      return true;
    }
  return false;
}

bool is_left_over(std::string_view name) {
  return name == "text_projection" || name == "logit_scale" || name == "attn_mask" ||
         name.ends_with("position_ids");
}

}  // namespace

ModelConfig config_of_text_encoder(const StoredWeights& weights, ClipTraining training,
                                   const std::filesystem::path& file) {
  int64_t layer_count = 0;
  while (layer_count < kMostLayersOfFile &&
         weights.contains(fmt::format("encoder.layers.{}.layer_norm1.weight", layer_count)))
    ++layer_count;
  const int64_t hidden = matrix_size(weights, "embeddings.token_embedding.weight", 1, file);
  return {
      nlohmann::json{
          {"model_type", "clip_text_model"},
          {"vocab_size", matrix_size(weights, "embeddings.token_embedding.weight", 0, file)},
          {"hidden_size", hidden},
          {"intermediate_size", matrix_size(weights, "encoder.layers.0.mlp.fc1.weight", 0, file)},
          {"num_hidden_layers", layer_count},
          {"num_attention_heads", std::max<int64_t>(1, hidden / kHeadWidth)},
          {"max_position_embeddings", matrix_size(weights, "embeddings.position_embedding.weight", 0, file)},
          {"layer_norm_eps", 1e-5},
          {"hidden_act", training == ClipTraining::kOpenAi ? "quick_gelu" : "gelu"}},
      file};
}

StoredWeights without_unused_layer(StoredWeights weights) {
  const auto norm = weights.find("final_layer_norm.weight");
  if (norm != weights.end() && norm->second.shape == std::vector<int64_t>{kWidthOfVitH}) {
    const std::string unused = fmt::format("encoder.layers.{}.", kLayersOfVitH - 1);
    std::erase_if(weights, [&](const auto& entry) { return entry.first.starts_with(unused); });
  }
  return weights;
}

StoredWeights canonical_open_clip(const StoredWeights& weights) {
  const int64_t unused_layer = unused_layer_of(weights);
  StoredWeights canonical;
  for (const auto& [name, weight] : weights) {
    if (is_left_over(name)) continue;
    if (const auto place = in_block(name)) {
      if (place->layer == unused_layer || add_of_layer(*place, weight, canonical)) continue;
    }
    if (name == "token_embedding.weight")
      canonical.emplace("embeddings.token_embedding.weight", weight);
    else if (name == "positional_embedding")
      canonical.emplace("embeddings.position_embedding.weight", weight);
    else if (name.starts_with("ln_final."))
      canonical.emplace("final_layer_norm." + name.substr(std::string_view("ln_final.").size()), weight);
    else
      canonical.emplace(name, weight);
  }
  return canonical;
}

}  // namespace sdlora::model
