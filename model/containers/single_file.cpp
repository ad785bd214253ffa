#include "model/containers/single_file.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/shown_text.h"
#include "model/clip/ldm_text_encoder.h"
#include "model/clip/openai_clip_tokenizer.h"
#include "model/containers/checkpoint_names.h"
#include "model/containers/model_family.h"
#include "model/containers/prediction_type.h"
#include "model/loading/canonical_names.h"
#include "model/noise/noise_schedule.h"
#include "model/unet/ldm_unet_names.h"
#include "model/unet/ldm_unet_structure.h"
#include "model/vae/ldm_vae.h"

namespace sdlora::model {
namespace {

StoredWeights canonical_ldm_unet(const StoredWeights& weights, const std::filesystem::path& file) {
  const LdmUnetNames names(UNetConfig::read(config_of_ldm_unet(weights, file)));
  StoredWeights renamed;
  for (const auto& [name, weight] : weights)
    keep(renamed, names.diffusers_name(name).value_or(name), name, weight);
  return renamed;
}

StoredWeights without_training(StoredWeights vae) {
  std::erase_if(vae, [](const auto& entry) {
    return entry.first.starts_with("loss.") || entry.first.starts_with("model_ema.");
  });
  return vae;
}

// The files of Stable Diffusion's own scheduler; what its first release left out is as the samplers have it.
ModelConfig scheduler_config(const FoundPrediction& prediction, const std::filesystem::path& file) {
  nlohmann::json config{{"_class_name", "PNDMScheduler"},
                        {"beta_start", 0.00085},
                        {"beta_end", 0.012},
                        {"beta_schedule", "scaled_linear"},
                        {"num_train_timesteps", 1000},
                        {"set_alpha_to_one", false},
                        {"skip_prk_steps", true},
                        {"clip_sample", false},
                        {"steps_offset", 1},
                        {kSaidBy, prediction.reason},
                        {"prediction_type", prediction.is_velocity ? "v_prediction" : "epsilon"}};
  if (prediction.has_zero_terminal_snr)
    config.update({{"rescale_betas_zero_snr", true}, {"timestep_spacing", "trailing"}});
  return {config, file};
}

std::string counted(const std::vector<std::string>& names) {
  return fmt::format("{} ({}{})", names.size(), shown_line(names.front(), 100),
                     names.size() > 1 ? ", …" : "");
}

}  // namespace

SingleFile::SingleFile(Unchecked, std::filesystem::path file)
    : file_(std::move(file)), weights_(with_usual_prefixes(weights_in({file_}))) {}

SingleFile::SingleFile(std::filesystem::path file) : SingleFile(Unchecked{}, std::move(file)) {
  require_stable_diffusion(weights_, file_);
}

std::shared_ptr<const Container> SingleFile::of_vae(std::filesystem::path file) {
  std::shared_ptr<const SingleFile> opened(new SingleFile(Unchecked{}, std::move(file)));
  opened->require(ModelPart::kVae);
  return opened;
}

bool SingleFile::is_sd2() const {
  if (has_prefix(weights_, kOpenClipPrefix)) return true;
  const auto embedding =
      weights_.find(std::string(kClipPrefix) + "text_model.embeddings.token_embedding.weight");
  return embedding != weights_.end() && !embedding->second.shape.empty() &&
         embedding->second.shape.back() == kWidthOfVitH;
}

bool SingleFile::has(ModelPart part) const {
  switch (part) {
    case ModelPart::kUnet:
      return has_prefix(weights_, kUnetPrefix);
    case ModelPart::kVae:
      return weights_.contains(std::string(kVaePrefix) + "decoder.conv_in.weight");
    case ModelPart::kTextEncoder:
      return has_prefix(weights_, kClipPrefix) || has_prefix(weights_, kOpenClipPrefix);
    case ModelPart::kTokenizer:
      return has(ModelPart::kTextEncoder);
    case ModelPart::kScheduler:
      return has(ModelPart::kUnet);
  }
  return false;
}

void SingleFile::require(ModelPart part) const {
  if (has(part)) return;
  throw Error(
      ExitCode::kUsage,
      {.what = "the checkpoint file has no " + name_of(part),
       .expected = "UNet, VAE and text encoder in one file",
       .seen =
           fmt::format("{} tensors{}", weights_.size(), has(ModelPart::kUnet) ? ", a UNet among them" : ""),
       .where = file_.string(),
       .advice = part == ModelPart::kVae ? "give a VAE with --vae"
                                         : "give --model the whole model: a full checkpoint or a directory"});
}

StoredWeights SingleFile::weights_of(ModelPart part) const {
  require(part);
  switch (part) {
    case ModelPart::kUnet:
      return canonical_ldm_unet(part_of(weights_, kUnetPrefix), file_);
    case ModelPart::kVae:
      return canonical_ldm_vae(without_training(part_of(weights_, kVaePrefix)));
    case ModelPart::kTextEncoder:
      return has_prefix(weights_, kOpenClipPrefix)
                 ? canonical_open_clip(part_of(weights_, kOpenClipPrefix))
                 : without_unused_layer(canonical_text_encoder(part_of(weights_, kClipPrefix)));
    default:
      throw Error(ExitCode::kInternal, "this part has no weights");
  }
}

ModelConfig SingleFile::config_of(ModelPart part) const {
  require(part);
  switch (part) {
    case ModelPart::kUnet:
      return config_of_ldm_unet(part_of(weights_, kUnetPrefix), file_);
    case ModelPart::kVae:
      return config_of_vae(weights_of(part), file_);
    case ModelPart::kTextEncoder:
      return config_of_text_encoder(weights_of(part),
                                    is_sd2() ? ClipTraining::kOpenClip : ClipTraining::kOpenAi, file_);
    case ModelPart::kScheduler:
      return scheduler_config(find_prediction_type(part_of(weights_, kUnetPrefix), weights_, file_), file_);
    case ModelPart::kTokenizer:
      break;
  }
  return {nlohmann::json::object(), file_};
}

ClipTokenizerFiles SingleFile::tokenizer() const {
  require(ModelPart::kTokenizer);
  return openai_clip_tokenizer(is_sd2() ? ClipPadding::kExclamationMark : ClipPadding::kEndMarker);
}

std::vector<std::filesystem::path> SingleFile::files_of(ModelPart part) const {
  require(part);
  return {file_};
}

std::string SingleFile::description() const {
  std::string text = fmt::format("one file of Stable Diffusion {}", is_sd2() ? "2.x" : "1.x");
  std::vector<std::string> ema, unknown;
  for (const auto& [name, weight] : weights_) {
    if (name.starts_with(kEmaPrefix))
      ema.push_back(name);
    else if (!name.starts_with(kUnetPrefix) && !name.starts_with(kVaePrefix) &&
             !name.starts_with(kClipPrefix) && !name.starts_with(kOpenClipPrefix) &&
             !is_known_to_be_unused(name))
      unknown.push_back(name);
  }
  if (!ema.empty()) text += fmt::format("; EMA weights not used: {}", counted(ema));
  if (!unknown.empty()) text += fmt::format("; tensors of no part: {}", counted(unknown));
  return text;
}

}  // namespace sdlora::model
