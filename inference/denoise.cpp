#include "inference/denoise.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "common/error.h"
#include "common/seeds.h"
#include "inference/guidance.h"

namespace sdlora::inference {
namespace {

// [B, …] of one field of the pictures
template <typename Field>
at::Tensor stacked(const std::vector<PictureStart>& pictures, Field field) {
  std::vector<at::Tensor> rows;
  rows.reserve(pictures.size());
  for (const PictureStart& picture : pictures) rows.push_back(picture.*field);
  return at::stack(rows);
}

// Draws for each picture from its own generator, so that a picture does not depend on its batch.
class BatchNoise {
 public:
  BatchNoise(const std::vector<PictureStart>& pictures, std::vector<int64_t> shape, at::Device device)
      : shape_(std::move(shape)), device_(device) {
    for (const PictureStart& picture : pictures) generators_.push_back(generator_for(picture.seed));
  }

  at::Tensor draw_one(size_t picture) {  // [1, 4, h, w]
    return at::randn(shape_, generators_[picture], at::TensorOptions(at::kFloat));
  }

  at::Tensor draw() {  // [B, 4, h, w]
    std::vector<at::Tensor> rows;
    for (size_t i = 0; i < generators_.size(); ++i) rows.push_back(draw_one(i));
    return at::cat(rows).to(device_);
  }

 private:
  std::vector<int64_t> shape_;
  at::Device device_;
  std::vector<at::Generator> generators_;
};

}  // namespace

at::Tensor denoise(const Denoising& denoising, const std::vector<PictureStart>& pictures) {
  const c10::NoGradGuard no_gradients;
  const at::Device device = denoising.mode.device;
  BatchNoise source(pictures, denoising.latent_shape, device);
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < pictures.size(); ++i)
    rows.push_back(pictures[i].noise.defined() ? pictures[i].noise : source.draw_one(i));
  const at::Tensor noise = at::cat(rows).to(device);

  at::Tensor x;  // [B, 4, h, w]
  if (pictures.front().init_latents.defined()) {
    const at::Tensor latents = stacked(pictures, &PictureStart::init_latents).squeeze(1).to(device);
    x = denoising.sampler.add_noise(latents, noise, denoising.first_step);
  } else {
    x = denoising.sampler.start_from_noise(noise);
  }
  const auto predict =
      guided_denoiser(denoising.unet, denoising.mode,
                      {.text_embeddings = stacked(pictures, &PictureStart::text_embedding),
                       .negatives = stacked(pictures, &PictureStart::negative_text_embedding)},
                      denoising.guidance_scale);
  const auto denoiser = [&](const at::Tensor& noisy, double timestep) {
    at::Tensor prediction = predict(noisy, timestep);
    denoising.on_step();
    return prediction;
  };
  return denoising.sampler.sample(x, denoising.first_step, denoiser, [&] { return source.draw(); }).cpu();
}

int64_t image_to_image_first_step(int64_t step_count, double strength) {
  const auto steps_done =
      std::min(step_count, static_cast<int64_t>(static_cast<double>(step_count) * strength));
  if (steps_done < 1)
    throw Error(ExitCode::kUsage, {.what = "image-to-image would do no step",
                                   .expected = "steps x strength of at least 1",
                                   .seen = fmt::format("{} x {}", step_count, strength),
                                   .advice = "raise --strength or --steps"});
  return step_count - steps_done;
}

}  // namespace sdlora::inference
