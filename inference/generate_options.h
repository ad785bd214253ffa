// What generate is asked to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/device_kind.h"
#include "common/options.h"
#include "data/images/picture_size.h"
#include "model/clip/clip_text_reader.h"
#include "model/kernels/cpu_kernels.h"
#include "model/loading/mixed_precision.h"
#include "model/noise/noise_wish.h"

namespace sdlora::inference {

struct GenerateOptions {
  std::filesystem::path model;
  std::filesystem::path vae;      // in place of the model's own; empty: that
  std::vector<std::string> lora;  // FILE or FILE:SCALE, applied in this order
  double lora_scale = 1;          // of those without a scale of their own
  model::NoiseWish schedule;
  model::ClipReading reading;
  std::optional<std::string> prompt;
  std::string negative_prompt;
  std::filesystem::path prompt_file;  // in place of `prompt`; empty: none
  std::string sampler = "dpmpp_2m";
  bool uses_karras_sigmas = false;
  int64_t steps = 25;
  double guidance_scale = 7.5;
  int64_t seed = 0;  // of the first picture
  data::PictureSize picture_size = data::square(512);
  int64_t image_count = 1;                // of each prompt
  int64_t batch_size = 1;                 // pictures denoised at a time
  std::filesystem::path init_image;       // empty: text-to-image
  double strength = 0.65;                 // of image-to-image
  std::filesystem::path initial_latents;  // empty: noise from the seeds
  std::filesystem::path final_latents;    // empty: not saved
  std::filesystem::path output;
  DeviceKind device = DeviceKind::kAuto;
  int cpu_threads = 0;  // 0: all cores
  model::kernels::CpuKernelWish cpu_kernels = model::kernels::CpuKernelWish::kAuto;
  model::MixedPrecision mixed_precision = model::MixedPrecision::kNo;
};

// `options` must outlive the parsing.
void declare_options(CLI::App& app, GenerateOptions& options);

// What a single option's check cannot see. Throws Error(kUsage).
void check_options(const GenerateOptions& options);

}  // namespace sdlora::inference
