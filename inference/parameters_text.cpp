#include "inference/parameters_text.h"

#include <fmt/format.h>

#include "lora/adapter_requests.h"
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
  if (options.reading.clip_skip != 1) text += fmt::format(", Clip skip: {}", options.reading.clip_skip);
  if (options.reading.max_token_length != model::ClipReading().max_token_length)
    text += fmt::format(", Max token length: {}", options.reading.max_token_length);
  if (!request.init_image.empty()) text += fmt::format(", Denoising strength: {}", options.strength);
  size_t count = 0;
  for (const lora::AdapterRequest& adapter : lora::adapter_requests(options.lora, options.lora_scale)) {
    if (adapter.scale == 0) continue;  // the model alone: the same picture, the same bytes
    const std::string key = ++count == 1 ? "Lora" : fmt::format("Lora {}", count);
    text += fmt::format(", {}: {}, {} scale: {}", key, adapter.file.stem().string(), key, adapter.scale);
  }
  return text;
}

}  // namespace sdlora::inference
