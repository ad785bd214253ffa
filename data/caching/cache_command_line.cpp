#include "data/caching/cache_command_line.h"

#include <algorithm>
#include <thread>

#include "common/error.h"
#include "monitoring/memory/host_memory.h"

namespace sdlora::data {
namespace {

// Measured with SD 1.5's VAE at 512 pixels: 0.92 GiB per picture, of activations.
constexpr int64_t kEncoderBytesPerPixel = 4096;

}  // namespace

void declare_options(CLI::App& app, CacheCommand& command) {
  CacheOptions& options = command.options;
  app.add_option("--model", options.model, "Stable Diffusion 1.5 directory in diffusers layout [required]");
  app.add_option("--images", options.images, "folder with PNG, JPEG, WebP and BMP files [required]");
  app.add_option("--output", options.output, "cache directory to make or to bring up to date [required]");
  app.add_option("--img-size", options.image_size, "pixels along a side")->capture_default_str();
  app.add_option("--training-caption", options.training_caption,
                 "for images with neither NAME.txt nor a line in metadata.jsonl");
  app.add_option("--shard-size", options.shard_size, "images a file")->capture_default_str();
  app.add_flag("--flip", options.flip, "latents of the mirrored images as well");
  app.add_option("--device", command.device, "auto, cpu or cuda")->capture_default_str();
  app.add_option("--cpu-threads", command.cpu_threads,
                 "images each rank encodes at a time on the CPU; 0: cores / local ranks")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--metrics-port", command.metrics_port, "Prometheus port, + local rank; 0: a free one")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  app.add_option("--metrics-address", command.metrics_address, "address the metrics are served on")
      ->capture_default_str();

  CLI::App* verify =
      app.add_subcommand("verify", "checks every byte of a cache; exit code 65 when one is wrong");
  verify->add_option("DIR", command.cache, "cache directory")->required();
  verify->callback([&command] { command.wants_verify = true; });
  CLI::App* info = app.add_subcommand("info", "prints what a cache holds");
  info->add_option("DIR", command.cache, "cache directory")->required();
  info->callback([&command] { command.wants_info = true; });
  app.require_subcommand(0, 1);
}

void require_paths(const CacheCommand& command) {
  const auto require = [](const char* option, const std::filesystem::path& path) {
    if (path.empty())
      throw Error(ExitCode::kUsage, {.what = std::string("the option ") + option + " is missing",
                                     .advice = "see cache_latents --help"});
  };
  require("--model", command.options.model);
  require("--images", command.options.images);
  require("--output", command.options.output);
}

int encoder_threads(const CacheCommand& command, int local_rank_count) {
  if (command.cpu_threads > 0) return command.cpu_threads;
  const int64_t picture_bytes =
      command.options.image_size * command.options.image_size * kEncoderBytesPerPixel;
  const int64_t cores = std::thread::hardware_concurrency() / static_cast<unsigned>(local_rank_count);
  const int64_t memory_bytes = monitoring::host_memory().limit_bytes;
  const int64_t fitting =
      memory_bytes == 0 ? cores : memory_bytes / 2 / local_rank_count / std::max<int64_t>(1, picture_bytes);
  return static_cast<int>(std::max<int64_t>(1, std::min(cores, fitting)));
}

}  // namespace sdlora::data
