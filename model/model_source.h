// Where a model comes from: each part's config, weights and identity. Nothing outside reads a model's files
// by itself, so that it does not matter how they are kept.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/clip/clip_text_encoder.h"
#include "model/clip/clip_tokenizer.h"
#include "model/loading/compute_mode.h"
#include "model/noise/noise_schedule.h"
#include "model/unet/unet.h"
#include "model/vae/vae.h"

namespace sdlora::model {

enum class ModelPart { kUnet, kVae, kTextEncoder, kTokenizer, kScheduler };

// "unet", "vae", "text_encoder", "tokenizer", "scheduler": as messages call it.
std::string name_of(ModelPart part);

class ModelSource {
 public:
  // `model`: what --model names. Throws Error(kUsage) when it is not there.
  explicit ModelSource(std::filesystem::path model);

  bool has(ModelPart part) const;

  // Before any weights are read. Throws Error(kIo) when there is none, Error(kBadData).
  ModelConfig config_of(ModelPart part) const;

  // Each throws Error(kUsage) when the part is not there, Error(kBadData) that lists what does not fit.
  // With `edits` of the weights, where there are any.
  UNet load_unet(const ComputeMode& mode, const WeightEdits* edits = nullptr) const;
  Vae load_vae(const ComputeMode& mode) const;
  ClipTextEncoder load_text_encoder(const ComputeMode& mode, const WeightEdits* edits = nullptr) const;
  ClipTokenizer load_tokenizer() const;
  NoiseSchedule load_noise_schedule() const;

  // Values of a part with weights (UNet, VAE, text encoder), without reading them.
  int64_t parameter_count_of(ModelPart part) const;

  // SHA-256 over the part's config and weights, or all of the tokenizer; reads every byte of the weights that
  // this user's HashMemory does not know. Throws Error(kUsage) when the part is not there, Error(kIo).
  std::string hash_of(ModelPart part) const;

  // Which files hash_of() a part with weights would read, by device, inode, size and time of change: equal on
  // two ranks of a host when they see the same files unchanged. Reads no byte of them. Throws as hash_of().
  std::string file_identity_of(ModelPart part) const;

 private:
  std::filesystem::path directory_of(ModelPart part) const;
  std::filesystem::path config_file_of(ModelPart part) const;
  std::vector<std::filesystem::path> files_of(ModelPart part) const;  // what hash_of() reads

  template <typename Part, typename Config>
  Part load(ModelPart part, const ComputeMode& mode, const WeightEdits* edits = nullptr) const;

  // In diffusers' layout:
  //
  //   unet/config.json  unet/diffusion_pytorch_model[.fp16].safetensors (or sharded with an .index.json)
  //   vae/…  text_encoder/…  tokenizer/…  scheduler/scheduler_config.json
  std::filesystem::path directory_;
};

}  // namespace sdlora::model
