#include "inference/preview_painter.h"

#include <fmt/format.h>

#include "inference/denoise.h"
#include "inference/model_configs.h"
#include "inference/pixels.h"
#include "inference/png_file.h"
#include "inference/prompt_encoder.h"
#include "model/samplers/sampler_request.h"

namespace sdlora::inference {
namespace {

std::unique_ptr<const model::Sampler> make_preview_sampler(const model::ModelSource& model,
                                                           const PreviewSettings& settings) {
  const model::ModelConfig config = model.config_of(model::ModelPart::kScheduler);
  return model::make_sampler({.step_count = settings.step_count}, config,
                             model.load_noise_schedule(settings.schedule));
}

// As parameters_text.h, for what a preview has.
std::string parameters_of(const PreviewSettings& settings, const std::string& prompt) {
  return fmt::format("{}\nSteps: {}, Sampler: DPM++ 2M, CFG scale: {:g}, Seed: {}, Size: {}", prompt,
                     settings.step_count, settings.guidance_scale, settings.seed,
                     data::to_text(settings.picture_size));
}

}  // namespace

PreviewPainter::PreviewPainter(const model::ModelSource& model, const PreviewSettings& settings,
                               const std::vector<std::string>& prompts, at::Device device)
    : settings_(settings),
      prompts_(prompts),
      device_(device),
      latent_shape_(ModelConfigs(model).latent_shape(settings.picture_size)),
      sampler_(make_preview_sampler(model, settings)),
      vae_(model.load_vae(model::compute_mode_on(device, at::kFloat))) {
  PromptEncoder encoder(model, settings.reading, device);
  for (const std::string& prompt : prompts) text_embeddings_.push_back(encoder.encode(prompt));
  empty_text_embedding_ = encoder.encode("");
}

void PreviewPainter::paint(const model::UNet& unet, const model::ClipTextReader* text_reader,
                           const model::ComputeMode& mode, size_t prompt, const std::filesystem::path& file,
                           const std::function<void()>& on_step) const {
  const bool is_text_trained = text_reader != nullptr;
  const PictureStart start{
      .text_embedding =
          is_text_trained ? text_reader->read(prompts_.at(prompt)) : text_embeddings_.at(prompt),
      .negative_text_embedding = is_text_trained ? text_reader->read("") : empty_text_embedding_,
      .seed = settings_.seed,
      .noise = {},
      .init_latents = {}};
  const at::Tensor latents = denoise({.unet = unet,
                                      .mode = mode,
                                      .sampler = *sampler_,
                                      .guidance_scale = settings_.guidance_scale,
                                      .latent_shape = latent_shape_,
                                      .on_step = on_step},
                                     {start});
  on_step();
  write_png(file, decode_picture(vae_, latents, device_), parameters_of(settings_, prompts_.at(prompt)));
}

}  // namespace sdlora::inference
