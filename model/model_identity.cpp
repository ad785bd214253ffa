#include "model/model_identity.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/hash_memory.h"
#include "checkpoint/sha256.h"
#include "model/clip/clip_text_config.h"
#include "model/unet/unet_config.h"
#include "model/vae/vae_config.h"

namespace sdlora::model {
namespace {

constexpr size_t kTensorsAtATime = 64;  // a file whose tensors must be copied is never in memory as a whole

// Another one where the same files would get another hash.
constexpr const char* kVersion = "identity 1: ";

std::string text_of(const UNetConfig& config) {
  std::string text = fmt::format("unet in {} out {} groups {} eps {} linear {} flip {} shift {} centers {}",
                                 config.in_channels, config.out_channels, config.norm_group_count,
                                 config.norm_eps, config.uses_linear_projection, config.flip_sin_to_cos,
                                 config.freq_shift, config.centers_input);
  for (const UNetConfig::Level& level : config.levels) {
    const bool has_attention = level.has_attention_down || level.has_attention_up;
    text +=
        fmt::format("; {} channels {} resnets attention {} {} depth {} heads {} context {}", level.channels,
                    level.resnet_count, level.has_attention_down, level.has_attention_up,
                    level.transformer_depth, has_attention ? level.head_count : 0, level.context_channels);
  }
  return text + fmt::format("; middle heads {}", config.levels.back().head_count);
}

std::string text_of(const VaeConfig& config) {
  return fmt::format(
      "vae in {} out {} latent {} channels {} layers {} groups {} scaling {} quant {} {} attention {}",
      config.in_channels, config.out_channels, config.latent_channels,
      fmt::join(config.block_out_channels, " "), config.layers_per_block, config.norm_group_count,
      config.scaling_factor, config.has_quant_conv, config.has_post_quant_conv, config.has_mid_attention);
}

std::string text_of(const ClipTextConfig& config) {
  return fmt::format("clip vocabulary {} width {} inner {} layers {} heads {} positions {} eps {} {}",
                     config.vocabulary_size, config.hidden_size, config.intermediate_size, config.layer_count,
                     config.head_count, config.max_positions, config.layer_norm_eps, config.activation);
}

std::string text_of_config(const Container& container, ModelPart part) {
  const ModelConfig config = container.config_of(part);
  switch (part) {
    case ModelPart::kUnet:
      return text_of(UNetConfig::read(config));
    case ModelPart::kVae:
      return text_of(VaeConfig::read(config));
    default:
      return text_of(ClipTextConfig::read(config));
  }
}

std::string hash_of_bytes(const at::Tensor& tensor) {
  const at::Tensor bytes = tensor.contiguous();
  return checkpoint::sha256_of({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
}

std::string text_of_weights(const StoredWeights& weights) {
  std::string text;
  for (auto first = weights.begin(); first != weights.end();) {
    const auto last =
        std::next(first, std::min<std::ptrdiff_t>(kTensorsAtATime, std::distance(first, weights.end())));
    std::vector<at::Tensor> tensors;
    tensors.reserve(kTensorsAtATime);
    for (auto weight = first; weight != last; ++weight) tensors.push_back(weight->second.read());
    std::vector<std::string> hashes(tensors.size());
    at::parallel_for(0, static_cast<int64_t>(tensors.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        hashes[static_cast<size_t>(i)] = hash_of_bytes(tensors[static_cast<size_t>(i)]);
    });
    for (size_t i = 0; first != last; ++first, ++i)
      text += fmt::format("{} {} [{}] {}\n", first->first, at::toString(first->second.dtype),
                          fmt::join(first->second.shape, ", "), hashes[i]);
  }
  return text;
}

}  // namespace

std::string identity_of(const Container& container, ModelPart part) {
  if (part == ModelPart::kTokenizer) return identity_of(container.tokenizer());
  const std::string config = kVersion + text_of_config(container, part);
  return checkpoint::HashMemory::of_this_user().hash_of(container.files_of(part), config, [&] {
    return checkpoint::sha256_of(config + "\n" + text_of_weights(container.weights_of(part)));
  });
}

std::string hash_of_files(const Container& container, ModelPart part) {
  if (!std::filesystem::is_directory(container.path())) return "";  // there were only directories
  std::string hashes;
  const auto memory = checkpoint::HashMemory::of_this_user();
  for (const std::filesystem::path& file : container.files_of(part))
    hashes += part == ModelPart::kTokenizer
                  ? file.filename().string() + " " + checkpoint::sha256_of_file(file) + "\n"
                  : memory.sha256_of_file(file);
  return checkpoint::sha256_of(hashes);
}

}  // namespace sdlora::model
