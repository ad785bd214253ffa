#include "inference/generate.h"

#include <optional>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"
#include "common/log.h"
#include "inference/denoise.h"
#include "inference/latents_file.h"
#include "inference/model_adapters.h"
#include "inference/model_configs.h"
#include "inference/parameters_text.h"
#include "inference/picture_requests.h"
#include "inference/pixels.h"
#include "inference/png_file.h"
#include "inference/prompt_encoder.h"
#include "model/samplers/sampler_request.h"

namespace sdlora::inference {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostNamed = 16;  // more pictures are one line of the log

class Run {
 public:
  Run(const GenerateOptions& options, at::Device device)
      : options_(options),
        device_(device),
        requests_(picture_requests(options)),
        model_(options.model, options.vae),
        configs_(model_),
        latent_shape_(configs_.latent_shape(options.picture_size)),
        sampler_(make_sampler()) {
    log::info(fmt::format("{}: {}", options.model.string(), model_.description()));
    log::info(model_.load_noise_schedule(options.schedule).describe());
  }

  // Adapters are read early so that a bad one is known early; they are small.
  void prepare_files() {
    if (!options_.lora.empty())
      adapters_.emplace(configs_.unet, configs_.text,
                        lora::adapter_requests(options_.lora, options_.lora_scale));
    if (!options_.initial_latents.empty()) {
      std::vector<int64_t> shape = latent_shape_;
      shape[0] = static_cast<int64_t>(requests_.size());
      initial_latents_ = read_latents(options_.initial_latents, shape);
    }
    for (const PictureRequest& request : requests_) make_folder_of(request.output);
    if (!options_.final_latents.empty()) make_folder_of(options_.final_latents);
  }

  void encode_inputs() {
    starts_.resize(requests_.size());
    PromptEncoder encoder(model_, options_.reading, device_, edits());
    std::map<fs::path, at::Tensor> init_latents;
    for (size_t i = 0; i < requests_.size(); ++i) {
      const PictureRequest& request = requests_[i];
      starts_[i] = {.text_embedding = encoder.encode(request.prompt),
                    .negative_text_embedding = encoder.encode(request.negative_prompt),
                    .seed = request.seed,
                    .noise = {},
                    .init_latents = {}};
      if (initial_latents_.defined())
        starts_[i].noise = initial_latents_[static_cast<int64_t>(i)].unsqueeze(0);
      if (request.init_image.empty()) continue;
      at::Tensor& latents = init_latents[request.init_image];
      if (!latents.defined())
        latents = encode_picture(vae(), load_picture(request.init_image, options_.picture_size), device_);
      starts_[i].init_latents = latents;
    }
  }

  // What is wrong with it is known before the pictures are drawn.
  void load_vae() { (void)vae(); }

  void load_unet() {
    unet_ = model_.load_unet(unet_mode(), edits());
    if (unet_->config().guidance_channels > 0)
      log::info(
          "the model was distilled with guidance (LCM): it takes the guidance scale as an input, no negative "
          "prompt, and few steps");
  }

  void draw_pictures(const GenerateProgress& progress) {
    int64_t steps_done = 0;
    std::vector<at::Tensor> final_latents;
    for (size_t begin = 0; begin < requests_.size();) {
      const size_t end = batch_end(begin);
      const auto count_batch = [&] {
        steps_done += static_cast<int64_t>(end - begin);
        progress(steps_done, total_steps());
      };
      const at::Tensor latents = denoise(
          {.unet = *unet_,
           .mode = unet_mode(),
           .sampler = *sampler_,
           .guidance_scale = options_.guidance_scale,
           .latent_shape = latent_shape_,
           .first_step = first_step(begin),
           .on_step = count_batch},
          {starts_.begin() + static_cast<int64_t>(begin), starts_.begin() + static_cast<int64_t>(end)});
      for (size_t i = begin; i < end; ++i) save_picture(i, latents[static_cast<int64_t>(i - begin)]);
      final_latents.push_back(latents);
      begin = end;
    }
    if (requests_.size() > kMostNamed)
      log::info(fmt::format("{} pictures → {} … {}", requests_.size(), requests_.front().output.string(),
                            requests_.back().output.string()));
    if (!options_.final_latents.empty()) write_latents(options_.final_latents, at::cat(final_latents));
  }

 private:
  std::unique_ptr<const model::Sampler> make_sampler() const {
    const model::SamplerRequest request{.name = options_.sampler,
                                        .step_count = options_.steps,
                                        .uses_karras_sigmas = options_.uses_karras_sigmas};
    const model::ModelConfig config = model_.config_of(model::ModelPart::kScheduler);
    return model::make_sampler(request, config, model_.load_noise_schedule(options_.schedule));
  }

  model::ComputeMode unet_mode() const {
    return model::compute_mode_on(device_, dtype_of(options_.mixed_precision), options_.cpu_kernels,
                                  {latent_shape_[2], latent_shape_[3]});
  }

  const model::WeightEdits* edits() const { return adapters_ ? &adapters_->edits() : nullptr; }

  // Always fp32: it takes a small part of the time, and fp16 may overflow in it.
  const model::Vae& vae() {
    if (!vae_) vae_ = model_.load_vae(model::compute_mode_on(device_, at::kFloat, options_.cpu_kernels));
    return *vae_;
  }

  static void make_folder_of(const fs::path& file) {
    const fs::path folder = file.parent_path();
    std::error_code failure;
    if (!folder.empty()) fs::create_directories(folder, failure);
    if (!failure) return;
    throw Error(ExitCode::kIo, {.what = "cannot make the folder of the output",
                                .seen = failure.message(),
                                .where = folder.string(),
                                .advice = "check --output and --final-latents"});
  }

  bool starts_from_image(size_t picture) const { return !requests_[picture].init_image.empty(); }

  int64_t first_step(size_t picture) const {
    return starts_from_image(picture) ? image_to_image_first_step(options_.steps, options_.strength) : 0;
  }

  int64_t total_steps() const {
    int64_t count = 0;
    for (size_t i = 0; i < requests_.size(); ++i) count += sampler_->step_count() - first_step(i);
    return count;
  }

  // Neighbours of one kind, as many as are denoised at a time.
  size_t batch_end(size_t begin) const {
    size_t end = begin;
    while (end < requests_.size() && end - begin < static_cast<size_t>(options_.batch_size) &&
           starts_from_image(end) == starts_from_image(begin))
      ++end;
    return end;
  }

  void save_picture(size_t picture, const at::Tensor& latents) {  // [4, h, w]
    const PictureRequest& request = requests_[picture];
    write_png(request.output, decode_picture(vae(), latents.unsqueeze(0), device_),
              parameters_text(options_, request));
    if (requests_.size() <= kMostNamed)
      log::info(fmt::format("seed {} → {}", request.seed, request.output.string()));
  }

  const GenerateOptions& options_;
  const at::Device device_;
  const std::vector<PictureRequest> requests_;
  const model::ModelSource model_;
  const ModelConfigs configs_;
  const std::vector<int64_t> latent_shape_;  // of one picture
  const std::unique_ptr<const model::Sampler> sampler_;
  std::optional<ModelAdapters> adapters_;
  at::Tensor initial_latents_;  // [n, 4, h, w]; undefined: none
  std::vector<PictureStart> starts_;
  std::optional<model::UNet> unet_;
  std::optional<model::Vae> vae_;
};

}  // namespace

void generate(const GenerateOptions& options, at::Device device, const GenerateProgress& progress) {
  Run run(options, device);
  run.prepare_files();
  run.encode_inputs();
  run.load_vae();
  run.load_unet();
  run.draw_pictures(progress);
}

}  // namespace sdlora::inference
