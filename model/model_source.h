// Where a model comes from: each part's config, weights and identity. Nothing outside reads a model's files
// by itself, so that it does not matter how they are kept.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "model/clip/clip_text_reader.h"
#include "model/containers/container.h"
#include "model/loading/compute_mode.h"
#include "model/loading/model_part.h"
#include "model/noise/noise_schedule.h"
#include "model/unet/unet.h"
#include "model/vae/vae.h"

namespace sdlora::model {

class ModelSource {
 public:
  // `model`: what --model names: a directory in diffusers' layout, a checkpoint file, or an id in the local
  // hub cache. `vae`: what --vae names, in place of the model's own; empty: none. Throws Error(kUsage) when
  // it is not there, Error(kBadData) when it is something else.
  explicit ModelSource(const std::filesystem::path& model, const std::filesystem::path& vae = {});

  // The directory or file that `model` meant: of an id, that of its snapshot.
  std::filesystem::path path() const { return std::filesystem::absolute(model_->path()); }

  // Of the container, for a person: "one file of Stable Diffusion 1.x; EMA weights not used: …".
  std::string description() const;

  bool has(ModelPart part) const;

  // Before any weights are read. Throws Error(kUsage) when there is none, Error(kBadData).
  ModelConfig config_of(ModelPart part) const;

  // Each throws Error(kUsage) when the part is not there, Error(kBadData) that lists what does not fit.
  // With `edits` of the weights, where there are any.
  UNet load_unet(const ComputeMode& mode, const WeightEdits* edits = nullptr) const;
  Vae load_vae(const ComputeMode& mode) const;
  ClipTextEncoder load_text_encoder(const ComputeMode& mode, const WeightEdits* edits = nullptr) const;
  // Both in one, computing in fp32 or bf16.
  ClipTextReader load_text_reader(const ClipReading& reading, at::Device device, at::ScalarType dtype,
                                  const WeightEdits* edits = nullptr) const;
  ClipTokenizer load_tokenizer() const;  // within the room of the text encoder, where the model has one
  NoiseSchedule load_noise_schedule(const NoiseWish& wish = {}) const;

  // Values of a part with weights (UNet, VAE, text encoder), without reading them.
  int64_t parameter_count_of(ModelPart part) const;

  // SHA-256 (model_identity.h); reads every byte of the weights that this user's HashMemory does not know.
  // Throws Error(kUsage) when the part is not there, Error(kIo).
  std::string hash_of(ModelPart part) const;

  // The hash to compare with `recorded`, which an earlier version may have made in another way: `recorded`
  // itself when it is the part's in either way, else hash_of(). Throws as that.
  std::string hash_like(ModelPart part, const std::string& recorded) const;

  // Which files hash_of() a part with weights would read, by device, inode, size and time of change: equal on
  // two ranks of a host when they see the same files unchanged. Reads no byte of them. Throws as hash_of().
  std::string file_identity_of(ModelPart part) const;

 private:
  const Container& container_of(ModelPart part) const;

  template <typename Part, typename Config>
  Part load(ModelPart part, const ComputeMode& mode, const WeightEdits* edits = nullptr) const;

  std::shared_ptr<const Container> model_;
  std::shared_ptr<const Container> vae_;  // of --vae; else the model
};

}  // namespace sdlora::model
