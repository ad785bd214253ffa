// A model in one file under the names of the original code base (LDM): .safetensors, .ckpt, .pt, .bin.
//
//   model.diffusion_model.…                            UNet
//   first_stage_model.…                                VAE
//   cond_stage_model.transformer.text_model.…          text encoder of Stable Diffusion 1.x
//   cond_stage_model.model.…                           of 2.x
//
// and the other prefixes that merges and other programs have given them (checkpoint_names.h). Of two sets of
// weights, the plain ones are used, and those under model_ema. are not, as A1111, ComfyUI and kohya do.
// Configs, tokenizer and noise schedule, which such a file does not have, are those of Stable Diffusion, with
// widths, layers and heads read from the tensors.
#pragma once

#include <memory>
#include <string>

#include "model/containers/container.h"

namespace sdlora::model {

class SingleFile final : public Container {
 public:
  // Reads names and shapes. Throws Error(kBadData): not a file of tensors, or another model, by its name.
  explicit SingleFile(std::filesystem::path file);

  // A file whose VAE alone is wanted: a checkpoint, or a VAE by itself in either naming.
  static std::shared_ptr<const Container> of_vae(std::filesystem::path file);

  bool has(ModelPart part) const override;
  ModelConfig config_of(ModelPart part) const override;
  StoredWeights weights_of(ModelPart part) const override;
  ClipTokenizerFiles tokenizer() const override;
  std::vector<std::filesystem::path> files_of(ModelPart part) const override;

  std::filesystem::path path() const override { return file_; }

  std::string description() const override;

 private:
  struct Unchecked {};

  SingleFile(Unchecked, std::filesystem::path file);

  void require(ModelPart part) const;
  bool is_sd2() const;

  std::filesystem::path file_;
  StoredWeights weights_;  // all of the file, under the prefixes above
};

}  // namespace sdlora::model
