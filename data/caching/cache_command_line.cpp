#include "data/caching/cache_command_line.h"

#include <algorithm>

#include "common/command_line.h"
#include "common/cpu_cores.h"
#include "common/error.h"
#include "data/caching/picture_subset.h"
#include "data/shards/cache_precision.h"
#include "model/clip/clip_reading_options.h"
#include "monitoring/memory/host_memory.h"

namespace sdlora::data {
namespace {

// Measured with SD 1.5's VAE at 512 pixels: 0.92 GiB per picture, of activations.
constexpr int64_t kEncoderBytesPerPixel = 4096;

// The first three are required, but not by verify and info (check_options).
void declare_pictures(OptionGroup group, CacheOptions& options) {
  group.add(
      "model", options.model, Scope::kRank,
      "Stable Diffusion 1.x or 2.x: a directory in diffusers layout, a checkpoint file, or an id in the "
      "local Hugging Face cache [required]");
  group.add("vae", options.vae, Scope::kRank, "VAE in place of the model's own: a file or a directory");
  group.add("images", options.images, Scope::kRank,
            "folder with pictures: PNG, JPEG, WebP, BMP, GIF, TIFF, HEIC, AVIF, JPEG XL [required]");
  group.add("reg-images", options.reg_images, Scope::kRank,
            "folder with regularisation pictures, of what the model is to keep of the class; an epoch has as "
            "many of them as of the others");
  group.add("dataset-config", options.dataset_config, Scope::kRank,
            "in place of --images and --reg-images: a data-set file of kohya's, .toml or .json");
  group.add("output", options.output, Scope::kRank,
            "cache directory to make or to bring up to date [required]");
  group.add(
      "img-size", options.image_size, Scope::kResult,
      "pixels along a side of the squares; with --aspect-buckets of the square whose area none exceeds");
  group.add("aspect-buckets", options.has_buckets, Scope::kResult,
            "not squares, but the nearest of many shapes of about that area, as kohya's enable_bucket");
  group.add("bucket-min", options.buckets.least_side, Scope::kResult,
            "of these the shortest side, in pixels");
  group.add("bucket-max", options.buckets.greatest_side, Scope::kResult, "the longest");
  group.add("bucket-step", options.buckets.step, Scope::kResult,
            "their sides are multiples of it, in pixels");
  group.add("bucket-no-upscale", options.buckets.no_upscale, Scope::kResult,
            "no picture is enlarged: the shapes follow from the pictures, without a shortest and a longest");
  group
      .add("folder-repeats", options.folder_repeats, Scope::kResult,
           "auto: where all folders with pictures are named N_words, as kohya's are, an epoch has their "
           "pictures N times, and words is the caption of those without one; off: a name says nothing")
      .one_of(folder_repeats_words());
  group
      .add("mask", options.mask, Scope::kResult,
           "what of a picture trainer --masked-loss learns: none: all; alpha: as much as it is opaque; file: "
           "what is white in NAME-masklabel.png beside it, of pictures without such a file all")
      .one_of(mask_kind_words());
  group.add("caption-extension", options.captions.extensions, Scope::kResult,
            "of the text files beside the pictures, the first that is there: .txt,.caption");
  group.add("caption-column", options.captions.column, Scope::kResult,
            "the captions' name in metadata.jsonl or metadata.csv, for images without a text file");
  group.add("training-caption", options.captions.for_the_rest, Scope::kResult,
            "for images with neither text file nor a line in a caption list nor words in their folder's name "
            "(--folder-repeats); not of --reg-images");
  model::declare_reading(group, options.reading);
  group.add("shard-size", options.shard_size, Scope::kResult, "images per shard");
  group.add("flip", options.flip, Scope::kResult, "latents of the mirrored images as well");
}

void declare_care(OptionGroup group, CacheOptions& options) {
  group.add(
      "rebuild", options.may_replace, Scope::kRun,
      "replace a cache of other settings, another model or other pictures; what still fits is used again");
  group.add(
      "strict", options.is_strict, Scope::kRun,
      "end with 65 where a file is skipped, a picture of the last run is gone, a line of a caption list "
      "has no picture, or a caption is empty");
}

void check_source(const CacheOptions& options) {
  const bool has_images = !options.images.empty(), has_config = !options.dataset_config.empty();
  if (has_images == has_config || (has_config && !options.reg_images.empty()))
    throw Error(ExitCode::kUsage, {.what = "where the pictures are is not clear",
                                   .expected = "--images (with --reg-images, maybe), or --dataset-config",
                                   .seen = has_config ? "both" : "neither",
                                   .advice = "see cache_latents --help"});
  if (has_config && options.flip)
    throw Error(ExitCode::kUsage,
                {.what = "--flip does not go with --dataset-config",
                 .expected = "flip_aug = true in the file: a sample is the picture or its mirror "
                             "image, by chance",
                 .seen = "--flip",
                 .advice = "leave it out"});
}

}  // namespace

void declare_options(CLI::App& app, CacheCommand& command) {
  OptionSet set(app);
  declare_pictures(set.group("Pictures"), command.options);
  declare_care(set.group("Care"), command.options);
  OptionGroup computing = set.group("Computing");
  computing.add("device", command.device, Scope::kRank, "auto, cpu or cuda").one_of(device_words());
  computing
      .add("mixed-precision", command.options.mixed_precision, Scope::kResult,
           "type that VAE and text encoder compute in: no (fp32) or bf16, faster and less exact")
      .one_of(cache_precision_words());
  computing
      .add("cpu-threads", command.cpu_threads, Scope::kRank,
           "images each rank encodes at a time on the CPU; 0: cores / local ranks")
      .between(0, 1024);
  OptionGroup watching = set.group("Watching");
  command.metrics.declare(watching);

  CLI::App* verify =
      app.add_subcommand("verify", "checks every byte of a cache; exit code 65 when one is wrong");
  verify->add_option("DIR", command.cache, "cache directory")->required();
  verify->callback([&command] { command.wants_verify = true; });
  CLI::App* info = app.add_subcommand("info", "prints what a cache holds, with buckets also of each");
  info->add_option("DIR", command.cache, "cache directory")->required();
  info->callback([&command] { command.wants_info = true; });
  app.require_subcommand(0, 1);
}

void check_options(const CacheCommand& command) {
  const auto require = [](const char* option, const std::filesystem::path& path) {
    if (path.empty())
      throw Error(ExitCode::kUsage, {.what = std::string("the option ") + option + " is missing",
                                     .advice = "see cache_latents --help"});
  };
  require("--model", command.options.model);
  check_source(command.options);
  require("--output", command.options.output);
  check_subsets(command.options);
  if (!command.options.has_buckets && command.options.buckets != BucketRules())
    throw Error(ExitCode::kUsage, {.what = "buckets are described, but not asked for",
                                   .expected = "--aspect-buckets with --bucket-min, --bucket-max, "
                                               "--bucket-step or --bucket-no-upscale",
                                   .seen = in_words(command.options.buckets),
                                   .advice = "give --aspect-buckets, or leave these out"});
  if (command.options.has_buckets) AspectBuckets(square(command.options.image_size), command.options.buckets);
}

int encoder_threads(const CacheCommand& command, int local_rank_count) {
  if (command.cpu_threads > 0) return command.cpu_threads;
  const int64_t picture_bytes =
      command.options.image_size * command.options.image_size * kEncoderBytesPerPixel;
  const int64_t cores = usable_core_count() / local_rank_count;
  const int64_t memory_bytes = monitoring::host_memory().limit_bytes;
  const int64_t fitting =
      memory_bytes == 0 ? cores : memory_bytes / 2 / local_rank_count / std::max<int64_t>(1, picture_bytes);
  return static_cast<int>(std::max<int64_t>(1, std::min(cores, fitting)));
}

}  // namespace sdlora::data
