#include "inference/generate_options.h"

#include <cmath>

#include <fmt/format.h>

#include "common/error.h"
#include "model/samplers/sampler_request.h"

namespace sdlora::inference {
namespace {

void declare_pictures(CLI::App& app, GenerateOptions& options) {
  app.add_option("--prompt", options.prompt, "what the picture shows");
  app.add_option("--negative-prompt", options.negative_prompt, "what it does not show");
  app.add_option("--prompt-file", options.prompt_file,
                 "in place of --prompt: a prompt a line, or a JSON object a line with prompt and, if wanted, "
                 "negative_prompt, seed, init_image, output");
  app.add_option("--num-images", options.image_count, "pictures of each prompt; picture i has seed + i")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", options.seed, "of the first picture; the next ones count up")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--width", options.picture_size.width, "pixels, a multiple of 8")->capture_default_str();
  app.add_option("--height", options.picture_size.height, "pixels, a multiple of 8")->capture_default_str();
  app.add_option("--init-image", options.init_image,
                 "picture to start from, resized and cropped to width x height");
  app.add_option("--strength", options.strength,
                 "of image-to-image: 0 keeps the picture, 1 starts from noise alone")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--output", options.output,
                 "FILE.png (several pictures: FILE-0.png, FILE-1.png ...), or a directory for 0000.png, "
                 "0001.png ...")
      ->required();
}

void declare_sampling(CLI::App& app, GenerateOptions& options) {
  app.add_option("--sampler", options.sampler, "dpmpp_2m, ddim or euler_a")
      ->capture_default_str()
      ->check(CLI::IsMember(model::sampler_names()));
  app.add_flag("--karras-sigmas", options.uses_karras_sigmas, "Karras's noise levels, for dpmpp_2m");
  app.add_option("--steps", options.steps, "sampler steps")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--guidance-scale", options.guidance_scale,
                 "how much the prompt counts; 1 or less: no guidance, half the work")
      ->capture_default_str();
  app.add_option("--initial-latents", options.initial_latents,
                 "safetensors with `latents` [n,4,h/8,w/8] in place of the seeded noise");
  app.add_option("--final-latents", options.final_latents,
                 "safetensors to write: `latents` [n,4,h/8,w/8] before decoding");
}

}  // namespace

void declare_options(CLI::App& app, GenerateOptions& options) {
  app.add_option("--model", options.model, "Stable Diffusion 1.5 directory in diffusers layout")->required();
  app.add_option("--lora", options.lora, "adapter to attach to the UNet");
  app.add_option("--lora-scale", options.lora_scale, "multiplies alpha / rank")->capture_default_str();
  declare_pictures(app, options);
  declare_sampling(app, options);
  app.add_option("--batch-size", options.batch_size,
                 "pictures denoised at a time; changes speed and memory, not the pictures")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--mixed-precision", options.mixed_precision, "type the UNet computes in: no, bf16 or fp16")
      ->capture_default_str()
      ->check(CLI::IsMember({"no", "bf16", "fp16"}));
  app.add_option("--device", options.device, "auto, cpu or cuda")->capture_default_str();
  app.add_option("--cpu-threads", options.cpu_threads, "0: all cores")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--cpu-kernels", options.cpu_kernels,
                 "what computes UNet and VAE on the CPU; auto: the fastest measured on this kind of CPU")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "onednn", "aten"}));
}

void check_options(const GenerateOptions& options) {
  if (options.prompt.has_value() == !options.prompt_file.empty())
    throw Error(ExitCode::kUsage, {.what = "what to draw is not clear",
                                   .expected = "one of --prompt and --prompt-file",
                                   .seen = options.prompt ? "both" : "neither",
                                   .advice = "see generate --help"});
  const auto require_finite = [](const char* option, double value) {
    if (!std::isfinite(value))
      throw Error(ExitCode::kUsage, {.what = fmt::format("{} is not a finite number", option),
                                     .seen = fmt::format("{}", value)});
  };
  require_finite("--guidance-scale", options.guidance_scale);
  require_finite("--lora-scale", options.lora_scale);
  require_finite("--strength", options.strength);
}

}  // namespace sdlora::inference
