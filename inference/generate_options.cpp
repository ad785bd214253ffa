#include "inference/generate_options.h"

#include "common/error.h"
#include "model/clip/clip_reading_options.h"
#include "model/samplers/sampler_request.h"

namespace sdlora::inference {
namespace {

void declare_pictures(OptionGroup group, GenerateOptions& options) {
  group.add("prompt", options.prompt, Scope::kResult, "what the picture shows");
  group.add("negative-prompt", options.negative_prompt, Scope::kResult, "what it does not show");
  group.add("prompt-file", options.prompt_file, Scope::kRank,
            "in place of --prompt: a file with one prompt per line, or one JSON object per line with prompt "
            "and, if wanted, "
            "negative_prompt, seed, init_image, output");
  group
      .add("num-images", options.image_count, Scope::kResult,
           "pictures of each prompt; picture i has seed + i")
      .positive();
  group.add("seed", options.seed, Scope::kResult, "of the first picture; the next ones count up").at_least(0);
  group.add("width", options.picture_size.width, Scope::kResult, "pixels, a multiple of 8");
  group.add("height", options.picture_size.height, Scope::kResult, "pixels, a multiple of 8");
  group.add("init-image", options.init_image, Scope::kRank,
            "picture to start from, resized and cropped to width x height");
  group
      .add("strength", options.strength, Scope::kResult,
           "of image-to-image: 0 keeps the picture, 1 starts from noise alone")
      .between(0, 1);
  group
      .add("output", options.output, Scope::kRank,
           "FILE.png (several pictures: FILE-0.png, FILE-1.png ...), or a directory for 0000.png, "
           "0001.png ...")
      .required();
}

Words<std::string> sampler_words() {
  Words<std::string> words;
  for (const std::string& name : model::sampler_names()) words.emplace_back(name, name);
  return words;
}

void declare_sampling(OptionGroup group, GenerateOptions& options) {
  group.add("sampler", options.sampler, Scope::kResult, model::sampler_alternatives())
      .one_of(sampler_words());
  group.add("karras-sigmas", options.uses_karras_sigmas, Scope::kResult,
            "Karras's noise levels, for " + model::samplers_with_karras_sigmas());
  group.add("steps", options.steps, Scope::kResult, "sampler steps").positive();
  group.add("guidance-scale", options.guidance_scale, Scope::kResult,
            "how much the prompt counts; 1 or less: no guidance, half the work");
  group.add("initial-latents", options.initial_latents, Scope::kRank,
            "safetensors with `latents` [n,4,h/8,w/8] in place of the seeded noise");
  group.add("final-latents", options.final_latents, Scope::kRank,
            "safetensors to write: `latents` [n,4,h/8,w/8] before decoding");
}

void declare_computing(OptionGroup group, GenerateOptions& options) {
  group
      .add("batch-size", options.batch_size, Scope::kRun,
           "pictures denoised at a time; changes speed and memory, not the pictures")
      .positive();
  group
      .add("mixed-precision", options.mixed_precision, Scope::kResult,
           "type the UNet computes in: no, bf16 or fp16")
      .one_of(model::mixed_precision_words());
  group.add("device", options.device, Scope::kRank, "auto, cpu or cuda").one_of(device_words());
  group.add("cpu-threads", options.cpu_threads, Scope::kRank, "0: all cores").at_least(0);
  group
      .add("cpu-kernels", options.cpu_kernels, Scope::kRun,
           "what computes UNet and VAE on the CPU; auto: the fastest measured on this kind of CPU")
      .one_of(model::kernels::cpu_kernel_words());
}

}  // namespace

void declare_options(CLI::App& app, GenerateOptions& options) {
  OptionSet set(app);
  OptionGroup model = set.group("Model");
  model
      .add("model", options.model, Scope::kRank,
           "Stable Diffusion 1.x or 2.x: a directory in diffusers layout, a checkpoint file, or an id in the "
           "local Hugging Face cache")
      .required();
  model.add("vae", options.vae, Scope::kRank, "VAE in place of the model's own: a file or a directory");
  model.add("lora", options.lora, Scope::kRank,
            "adapter to draw with, as often as wanted: FILE, or FILE:SCALE; a file, or a folder of PEFT");
  model.add("lora-scale", options.lora_scale, Scope::kResult,
            "how much a --lora counts that has no scale of its own");
  options.schedule.declare(model);
  model::declare_reading(model, options.reading);
  declare_pictures(set.group("Pictures"), options);
  declare_sampling(set.group("Sampling"), options);
  declare_computing(set.group("Computing"), options);
}

void check_options(const GenerateOptions& options) {
  if (options.prompt.has_value() == !options.prompt_file.empty())
    throw Error(ExitCode::kUsage, {.what = "what to draw is not clear",
                                   .expected = "one of --prompt and --prompt-file",
                                   .seen = options.prompt ? "both" : "neither",
                                   .advice = "see generate --help"});
}

}  // namespace sdlora::inference
