// How a model is kept: a directory in diffusers' layout or one checkpoint file. Whatever it is, weights have
// canonical names and a config has the keys of diffusers and transformers.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/clip/clip_tokenizer_files.h"
#include "model/loading/model_config.h"
#include "model/loading/model_part.h"
#include "model/loading/stored_weights.h"

namespace sdlora::model {

class Container {
 public:
  virtual ~Container() = default;

  virtual bool has(ModelPart part) const = 0;

  // Each throws Error(kUsage) when the part is not there, Error(kBadData), Error(kIo).
  virtual ModelConfig config_of(ModelPart part) const = 0;
  virtual StoredWeights weights_of(ModelPart part) const = 0;  // of the UNet, VAE or text encoder
  virtual ClipTokenizerFiles tokenizer() const = 0;

  // On which the part's config and weights depend.
  virtual std::vector<std::filesystem::path> files_of(ModelPart part) const = 0;

  virtual std::filesystem::path path() const = 0;

  // For a person: "one file of Stable Diffusion 1.x; EMA weights not used: 688 (model_ema.decay, …)".
  virtual std::string description() const = 0;
};

// `model`: a directory, a file, or an id of the Hugging Face hub whose copy is in the local cache
// (hub_cache.h). Throws Error(kUsage) naming what was tried; what each container throws.
std::shared_ptr<const Container> open_container(const std::filesystem::path& model);

// A VAE for --vae: a file of it alone, in either naming; a checkpoint or a directory of a whole model, of
// which it is the VAE; a folder vae/ of one. Throws as open_container().
std::shared_ptr<const Container> open_vae_container(const std::filesystem::path& vae);

}  // namespace sdlora::model
