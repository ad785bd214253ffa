#include "inference/parameters_text.h"

#include <fmt/format.h>

#include "model/samplers/sampler_request.h"

namespace sdlora::inference {
namespace {

std::string sampler_text(const GenerateOptions& options) {
  std::string text(model::sampler_kind(options.sampler).title);
  return options.uses_karras_sigmas ? text + " Karras" : text;
}

}  // namespace

std::string parameters_text(const GenerateOptions& options, const PictureRequest& request) {
  std::string text = request.prompt + "\n";
  if (!request.negative_prompt.empty()) text += "Negative prompt: " + request.negative_prompt + "\n";
  text += fmt::format("Steps: {}, Sampler: {}, CFG scale: {}, Seed: {}, Size: {}", options.steps,
                      sampler_text(options), options.guidance_scale, request.seed,
                      data::to_text(options.picture_size));
  if (!request.init_image.empty()) text += fmt::format(", Denoising strength: {}", options.strength);
  // Scale 0 is the model alone: the same picture, the same bytes.
  if (!options.lora.empty() && options.lora_scale != 0)
    text += fmt::format(", Lora: {}, Lora scale: {}", options.lora.stem().string(), options.lora_scale);
  return text;
}

}  // namespace sdlora::inference
