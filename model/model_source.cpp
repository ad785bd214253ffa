#include "model/model_source.h"

#include <c10/util/accumulate.h>

#include "checkpoint/file_identity.h"
#include "model/model_identity.h"

namespace sdlora::model {

ModelSource::ModelSource(const std::filesystem::path& model, const std::filesystem::path& vae)
    : model_(open_container(model)), vae_(vae.empty() ? model_ : open_vae_container(vae)) {}

const Container& ModelSource::container_of(ModelPart part) const {
  return part == ModelPart::kVae ? *vae_ : *model_;
}

std::string ModelSource::description() const {
  return model_->description() + (vae_ == model_ ? "" : "; VAE of " + vae_->path().string());
}

bool ModelSource::has(ModelPart part) const {
  return container_of(part).has(part);
}

ModelConfig ModelSource::config_of(ModelPart part) const {
  return container_of(part).config_of(part);
}

// Reports every tensor that does not fit.
template <typename Part, typename Config>
Part ModelSource::load(ModelPart part, const ComputeMode& mode, const WeightEdits* edits) const {
  const Container& container = container_of(part);
  const Config config = Config::read(container.config_of(part));
  const WeightSource weights(container.weights_of(part), container.files_of(part).back(), mode, edits);
  Part loaded(config, weights);
  weights.finish();
  return loaded;
}

UNet ModelSource::load_unet(const ComputeMode& mode, const WeightEdits* edits) const {
  return load<UNet, UNetConfig>(ModelPart::kUnet, mode, edits);
}

Vae ModelSource::load_vae(const ComputeMode& mode) const {
  return load<Vae, VaeConfig>(ModelPart::kVae, mode);
}

ClipTextEncoder ModelSource::load_text_encoder(const ComputeMode& mode, const WeightEdits* edits) const {
  return load<ClipTextEncoder, ClipTextConfig>(ModelPart::kTextEncoder, mode, edits);
}

ClipTextReader ModelSource::load_text_reader(const ClipReading& reading, at::Device device,
                                             at::ScalarType dtype, const WeightEdits* edits) const {
  return {load_tokenizer(), load_text_encoder({.device = device, .dtype = dtype}, edits), reading, device};
}

ClipTokenizer ModelSource::load_tokenizer() const {
  if (!has(ModelPart::kTextEncoder)) return ClipTokenizer(model_->tokenizer(), model_->path());
  const ClipTextConfig encoder = ClipTextConfig::read(config_of(ModelPart::kTextEncoder));
  return ClipTokenizer(
      model_->tokenizer(), model_->path(),
      EncoderRoom{.position_count = encoder.max_positions, .embedding_count = encoder.vocabulary_size});
}

NoiseSchedule ModelSource::load_noise_schedule(const NoiseWish& wish) const {
  return NoiseSchedule(config_of(ModelPart::kScheduler), wish);
}

int64_t ModelSource::parameter_count_of(ModelPart part) const {
  int64_t count = 0;
  for (const auto& [name, weight] : container_of(part).weights_of(part))
    count += c10::multiply_integers(weight.shape);
  return count;
}

std::string ModelSource::hash_of(ModelPart part) const {
  return identity_of(container_of(part), part);
}

std::string ModelSource::hash_like(ModelPart part, const std::string& recorded) const {
  std::string hash = hash_of(part);
  if (recorded.empty()) return hash;
  return hash != recorded && hash_of_files(container_of(part), part) == recorded ? recorded : hash;
}

std::string ModelSource::file_identity_of(ModelPart part) const {
  std::string identity;
  for (const std::filesystem::path& file : container_of(part).files_of(part))
    identity += checkpoint::identity_of_file(file).text + "; ";
  return identity;
}

}  // namespace sdlora::model
