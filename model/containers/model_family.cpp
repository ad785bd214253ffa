#include "model/containers/model_family.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "common/error.h"
#include "common/shown_text.h"
#include "model/containers/checkpoint_names.h"

namespace sdlora::model {
namespace {

constexpr const char* kUsePlainModel = "use a plain text-to-image model of Stable Diffusion 1.x or 2.x";

class Names {
 public:
  explicit Names(const StoredWeights& weights) : weights_(weights) {}

  bool has(const std::string& name) const { return find(name) != nullptr; }

  bool has_any_with(std::string_view part) const {
    return std::ranges::any_of(
        weights_, [part](const auto& entry) { return entry.first.find(part) != std::string::npos; });
  }

  bool has_any_beginning(std::string_view prefix) const { return has_prefix(weights_, prefix); }

  // -1 when there is none of that name, with or without the UNet's prefix.
  int64_t size(const std::string& name, size_t dimension) const {
    const StoredWeight* weight = find(name);
    return weight == nullptr || weight->shape.size() <= dimension ? -1 : weight->shape[dimension];
  }

  int64_t context_width() const {
    for (const auto& [name, weight] : weights_)
      if (name.ends_with("attn2.to_k.weight") && weight.shape.size() == 2) return weight.shape[1];
    return -1;
  }

  int64_t input_channels() const { return size("input_blocks.0.0.weight", 1); }

  bool has_label_embedding() const { return has("label_emb.0.0.weight"); }

  const StoredWeights& all() const { return weights_; }

 private:
  const StoredWeight* find(const std::string& name) const {
    for (const std::string& full : {std::string(kUnetPrefix) + name, name})
      if (const auto found = weights_.find(full); found != weights_.end()) return &found->second;
    return nullptr;
  }

  const StoredWeights& weights_;
};

struct Family {
  const char* name;
  const char* advice;
  bool (*is_in)(const Names& names);
};

// The first that fits is it.
constexpr std::array kOthers{
    Family{"Stable Diffusion 3", kUsePlainModel,
           [](const Names& n) {
             return n.has("joint_blocks.0.context_block.adaLN_modulation.1.bias") ||
                    n.has("x_embedder.proj.weight");
           }},
    Family{"Flux", kUsePlainModel, [](const Names& n) { return n.has_any_with("double_blocks.0."); }},
    Family{"a video or transformer model (Lumina, Wan, LTX, AuraFlow, Hunyuan or Mochi)", kUsePlainModel,
           [](const Names& n) {
             return n.has("cap_embedder.0.weight") || n.has("head.modulation") ||
                    n.has("patchify_proj.weight") || n.has("cond_seq_linear.weight") ||
                    n.has_any_with("txt_in.individual_token_refiner.") || n.has("blocks.0.attn.qkv_x.weight");
           }},
    Family{"Stable Cascade", kUsePlainModel,
           [](const Names& n) {
             return n.has("clip_txt_mapper.weight") || n.has("down_blocks.1.0.channelwise.0.weight");
           }},
    Family{"a ControlNet", "it is used beside a model: give the model itself",
           [](const Names& n) {
             return n.has_any_beginning("control_model.") ||
                    n.has("controlnet_cond_embedding.conv_in.weight") || n.has_any_beginning("lllite_");
           }},
    Family{"an AnimateDiff motion module", "it is used beside a model: give the model itself",
           [](const Names& n) { return n.has_any_with("motion_modules."); }},
    Family{"Stable Video Diffusion", kUsePlainModel,
           [](const Names& n) { return n.has_any_with("time_stack.") || n.has_any_with("time_mixer."); }},
    Family{"a LoRA or a relative of it (an adapter)",
           "give it to --lora of generate or --init-adapter of trainer, and its base model to --model",
           [](const Names& n) {
             return n.input_channels() < 0 &&
                    (n.has_any_with("lora_") || n.has_any_with(".hada_w1_a") || n.has_any_with(".lokr_w") ||
                     n.has_any_with(".oft_blocks") || n.has_any_with(".dora_scale"));
           }},
    Family{"the SDXL refiner", kUsePlainModel, [](const Names& n) { return n.context_width() == 1280; }},
    Family{"SDXL inpainting", kUsePlainModel,
           [](const Names& n) { return n.context_width() == 2048 && n.input_channels() == 9; }},
    Family{"SDXL", kUsePlainModel,
           [](const Names& n) {
             return n.context_width() == 2048 || n.has_any_beginning("conditioner.embedders.1.");
           }},
    Family{"Stable Diffusion 2 with depth", kUsePlainModel,
           [](const Names& n) { return n.has_any_beginning("depth_model.") || n.input_channels() == 5; }},
    Family{"Stable Diffusion unCLIP", kUsePlainModel,
           [](const Names& n) {
             return n.has_any_beginning("embedder.model.") ||
                    (n.has_label_embedding() && n.context_width() == 1024);
           }},
    Family{"the x4 upscaler", kUsePlainModel,
           [](const Names& n) { return n.input_channels() == 7 || n.has("label_emb.weight"); }},
    Family{"AltDiffusion", kUsePlainModel,
           [](const Names& n) { return n.has_any_beginning("cond_stage_model.roberta."); }},
    Family{"an inpainting model (9 input channels)", "use the plain model that it was made of",
           [](const Names& n) { return n.input_channels() == 9; }},
    Family{"Zero123", kUsePlainModel, [](const Names& n) { return n.has_any_beginning("cc_projection."); }},
    Family{"instruct-pix2pix (8 input channels)", kUsePlainModel,
           [](const Names& n) { return n.input_channels() == 8; }},
    Family{"a textual-inversion embedding", "it is no model: give the model that it was made for",
           [](const Names& n) {
             return n.input_channels() < 0 && n.all().size() <= 3 &&
                    (n.has("emb_params") || n.has("emp_params") || n.has("clip_l") ||
                     (n.all().size() == 1 && n.all().begin()->second.shape.size() <= 2));
           }},
    Family{"a VAE alone", "give it to --vae, and a model to --model",
           [](const Names& n) {
             return n.input_channels() < 0 &&
                    (n.has("decoder.conv_in.weight") || n.has("first_stage_model.decoder.conv_in.weight"));
           }},
    Family{"TAESD, a small VAE of another kind", kUsePlainModel,
           [](const Names& n) { return n.has_any_with("taesd_"); }},
    Family{"a UNet in diffusers' names", "give --model the directory that it belongs to",
           [](const Names& n) {
             return n.input_channels() < 0 && n.has("conv_in.weight") && n.has_any_beginning("down_blocks.");
           }},
    Family{"a text encoder alone", "give --model the whole model",
           [](const Names& n) {
             return n.input_channels() < 0 && n.has_any_with("embeddings.token_embedding.weight");
           }},
};

std::string some_names_of(const StoredWeights& weights) {
  std::string names;
  int64_t count = 0;
  for (const auto& [name, weight] : weights) {
    if (++count > 3) break;
    names += (names.empty() ? "" : ", ") + shown_line(name, 100);
  }
  return fmt::format("{} tensors: {}{}", weights.size(), names, weights.size() > 3 ? ", …" : "");
}

}  // namespace

void require_stable_diffusion(const StoredWeights& weights, const std::filesystem::path& file) {
  const Names names(weights);
  for (const Family& family : kOthers)
    if (family.is_in(names))
      throw Error(ExitCode::kBadData, {.what = fmt::format("this file is {}", family.name),
                                       .expected = "a checkpoint of Stable Diffusion 1.x or 2.x",
                                       .seen = some_names_of(weights),
                                       .where = file.string(),
                                       .advice = family.advice});
  if (names.input_channels() >= 0) return;
  throw Error(ExitCode::kBadData,
              {.what = names.has_any_beginning("model_ema.")
                           ? "this checkpoint holds only EMA weights, whose names do not tell the structure"
                           : "this file holds no UNet of Stable Diffusion",
               .expected = "tensors named model.diffusion_model.input_blocks…, as in the original code base",
               .seen = some_names_of(weights),
               .where = file.string(),
               .advice = kUsePlainModel});
}

}  // namespace sdlora::model
