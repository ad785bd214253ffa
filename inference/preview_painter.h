// Pictures with a model that is being trained: text-to-image over the trainer's own UNet, adapter attached.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/images/picture_size.h"
#include "model/model_source.h"
#include "model/samplers/sampler.h"

namespace sdlora::inference {

struct PreviewSettings {
  model::NoiseWish schedule;   // of the run
  model::ClipReading reading;  // likewise
  int64_t step_count = 20;     // of DPM-Solver++(2M)
  double guidance_scale = 7.5;
  uint64_t seed = 0;  // of every picture: the one that `generate --seed` draws from the same adapter
  data::PictureSize picture_size = data::square(512);
};

class PreviewPainter {
 public:
  // Encodes the prompts once; the text encoder is not kept. Throws Error(kUsage) when the model lacks a part
  // or the size does not fit it.
  PreviewPainter(const model::ModelSource& model, const PreviewSettings& settings,
                 const std::vector<std::string>& prompts, at::Device device);

  // Writes a PNG of prompt number `prompt`. `text_reader`: of a text encoder that has changed meanwhile, or
  // null. Without gradients; both stay as they are. Throws Error(kIo).
  void paint(const model::UNet& unet, const model::ClipTextReader* text_reader,
             const model::ComputeMode& mode, size_t prompt, const std::filesystem::path& file,
             const std::function<void()>& on_step) const;

 private:
  PreviewSettings settings_;
  std::vector<std::string> prompts_;
  at::Device device_;
  std::vector<at::Tensor> text_embeddings_;  // [L, C] f32, one per prompt
  at::Tensor empty_text_embedding_;          // [L, C] f32
  std::vector<int64_t> latent_shape_;
  std::unique_ptr<const model::Sampler> sampler_;
  model::Vae vae_;
};

}  // namespace sdlora::inference
