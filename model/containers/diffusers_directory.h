// A model in diffusers' layout:
//
//   unet/config.json  unet/diffusion_pytorch_model.safetensors (weight_files.h says what else)
//   vae/…  text_encoder/…  tokenizer/…  scheduler/scheduler_config.json
#pragma once

#include "model/containers/container.h"

namespace sdlora::model {

class DiffusersDirectory final : public Container {
 public:
  explicit DiffusersDirectory(std::filesystem::path directory) : directory_(std::move(directory)) {}

  bool has(ModelPart part) const override;
  ModelConfig config_of(ModelPart part) const override;
  StoredWeights weights_of(ModelPart part) const override;
  ClipTokenizerFiles tokenizer() const override;
  std::vector<std::filesystem::path> files_of(ModelPart part) const override;

  std::filesystem::path path() const override { return directory_; }

  std::string description() const override;

 private:
  std::filesystem::path folder_of(ModelPart part) const;

  std::filesystem::path directory_;
};

// A folder that holds the VAE alone: config.json and weights.
class VaeFolder final : public Container {
 public:
  explicit VaeFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  bool has(ModelPart part) const override { return part == ModelPart::kVae; }

  ModelConfig config_of(ModelPart part) const override;
  StoredWeights weights_of(ModelPart part) const override;
  ClipTokenizerFiles tokenizer() const override;
  std::vector<std::filesystem::path> files_of(ModelPart part) const override;

  std::filesystem::path path() const override { return folder_; }

  std::string description() const override { return "a VAE's folder"; }

 private:
  std::filesystem::path folder_;
};

}  // namespace sdlora::model
