#include "data/caching/cache_inputs.h"

#include <map>

#include <fmt/format.h>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/log.h"
#include "common/text_list.h"
#include "common/utf8.h"
#include "data/caching/crop_summary.h"
#include "data/caching/picture_scan.h"
#include "data/caching/stop_request.h"
#include "data/captions/lines_without_picture.h"
#include "data/captions/long_captions.h"
#include "data/images/image_bytes.h"
#include "data/images/image_kind.h"
#include "model/model_source.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using model::ModelPart;

constexpr int64_t kLargestImageSize = 4096;
constexpr int64_t kLargestShardSize = 4096;

void check_range(const char* option, int64_t value, int64_t largest) {
  if (value >= 1 && value <= largest) return;
  throw Error(ExitCode::kUsage, {.what = fmt::format("{} is out of range", option),
                                 .expected = fmt::format("1 … {}", largest),
                                 .seen = fmt::format("{}", value)});
}

// Hashes that an older version recorded in another way stay as they are in `previous`.
CacheSettings settings_for(const CacheOptions& options, const model::ModelSource& model,
                           const CacheSettings& previous) {
  check_range("--img-size", options.image_size, kLargestImageSize);
  check_range("--shard-size", options.shard_size, kLargestShardSize);
  CacheSettings settings{
      .picture_size = square(options.image_size),
      .buckets = options.has_buckets ? std::optional(options.buckets) : std::nullopt,
      .flip = options.flip,
      .shard_size = options.shard_size,
      .vae_sha256 = model.hash_like(ModelPart::kVae, previous.vae_sha256),
      .text_encoder_sha256 = model.hash_like(ModelPart::kTextEncoder, previous.text_encoder_sha256)};
  const auto vae = model::VaeConfig::read(model.config_of(ModelPart::kVae));
  if (!latent_size(settings.picture_size, vae.downscale()))
    throw Error(ExitCode::kUsage, {.what = "--img-size does not fit the model",
                                   .expected = fmt::format("a multiple of {}", vae.downscale()),
                                   .seen = fmt::format("{}", options.image_size)});
  if (settings.buckets && settings.buckets->step % vae.downscale() != 0)
    throw Error(ExitCode::kUsage, {.what = "--bucket-step does not fit the model",
                                   .expected = fmt::format("a multiple of {}", vae.downscale()),
                                   .seen = fmt::format("{}", settings.buckets->step)});
  settings.vae_scaling_factor = vae.scaling_factor;
  settings.mixed_precision = options.mixed_precision;
  settings.tokenizer_sha256 = model.hash_like(ModelPart::kTokenizer, previous.tokenizer_sha256);
  return settings;
}

[[noreturn]] void fail_without_images(const fs::path& folder, const FoundImages& found) {
  std::vector<SkippedImage> seen = found.skipped;
  seen.insert(seen.end(), found.passed_over.begin(), found.passed_over.end());
  throw Error(ExitCode::kBadData, {.what = "the image folder has no usable image",
                                   .expected = fmt::format("at least one file of {}", kReadKinds),
                                   .seen = seen.empty() ? "none at all" : indented_list_of(seen),
                                   .where = folder.string()});
}

// kohya's, by their names; none where they are not all so named.
std::map<std::string, RepeatedFolder> folders_by(const CacheOptions& options,
                                                 const std::vector<std::string>& sources) {
  if (options.folder_repeats == FolderRepeats::kOff) return {};
  auto folders = repeated_folders(sources);
  if (const auto other = first_named_otherwise(sources))
    log::warning(
        fmt::format("some folders are named N_words, as kohya's are, but {} is in none such (of 1 … {} "
                    "repeats): no folder's name counts",
                    *other, kMostRepeats));
  for (const auto& [name, folder] : folders)
    log::info(
        fmt::format("{}: each picture {} times an epoch; \"{}\" is the caption of those without one "
                    "(--folder-repeats off: not so)",
                    name, folder.repeats, folder.words));
  return folders;
}

// Where each of these comes to its bucket. What is not usable goes to `scanned.found.skipped`.
std::vector<PlannedSample> usable_samples(const CacheSettings& settings, ScannedPictures& scanned) {
  std::optional<AspectBuckets> buckets;
  if (settings.buckets) buckets.emplace(settings.picture_size, *settings.buckets);
  std::vector<PlannedSample> samples;
  for (size_t image = 0; image < scanned.inspected.size(); ++image) {
    const std::string& source = scanned.found.sources[image];
    const InspectedImage& inspected = scanned.inspected[image];
    std::string reason = inspected.unusable_reason;
    PlannedSample sample{.source = source, .source_sha256 = inspected.sha256};
    try {
      if (buckets && reason.empty()) sample.fit = buckets->fit(inspected.size);
    } catch (const UnusableImage& too_small) {
      reason = too_small.what();
    }
    if (reason.empty())
      samples.push_back(std::move(sample));
    else
      scanned.found.skipped.push_back({source, valid_utf8(reason)});
  }
  return samples;
}

std::vector<PictureSize> sizes_of_usable(const std::vector<InspectedImage>& inspected) {
  std::vector<PictureSize> sizes;
  for (const InspectedImage& image : inspected)
    if (image.unusable_reason.empty()) sizes.push_back(image.size);
  return sizes;
}

// Of the samples, which are given their captions and repeats.
CaptionTable find_captions_of(std::vector<PlannedSample>& samples, const CacheOptions& options,
                              const std::map<std::string, RepeatedFolder>& folders) {
  const auto folder_of = [&folders](const std::string& source) {
    return folders.empty() ? nullptr : &folders.at(first_folder_of(source).value());
  };
  std::vector<std::string> sources;
  for (PlannedSample& sample : samples) {
    sources.push_back(sample.source);
    if (const RepeatedFolder* folder = folder_of(sample.source)) sample.repeats = folder->repeats;
  }
  if (!folders.empty() && options.captions.for_the_rest)
    log::warning(
        "--training-caption is not used: the folders' names are the captions of pictures without one "
        "(--folder-repeats off: not so)");
  CaptionPlaces places = options.captions;
  places.of_folder = [&folder_of](const std::string& source) {
    const RepeatedFolder* folder = folder_of(source);
    return folder == nullptr ? std::nullopt : std::optional(folder->words);
  };
  CaptionTable captions = find_captions(options.images, sources, places, leave_when_asked(options));
  for (size_t image = 0; image < samples.size(); ++image)
    samples[image].caption_index = captions.index_of_image[image];
  return captions;
}

}  // namespace

CacheInputs gather_cache_inputs(const CacheOptions& options, const std::optional<CacheSettings>& previous,
                                comm::Communicator& world) {
  ScannedPictures scanned = scan_pictures(options, world);
  auto& found = scanned.found;
  auto& inspected = scanned.inspected;
  CacheInputs inputs;
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    const model::ModelSource model(options.model, options.vae);
    log::info(fmt::format("{}: {}", options.model.string(), model.description()));
    const CacheSettings settings = settings_for(options, model, previous.value_or(CacheSettings()));
    const auto folders = folders_by(options, found.sources);
    std::vector<PlannedSample> samples = usable_samples(settings, scanned);
    if (samples.empty()) fail_without_images(options.images, found);
    if (!settings.buckets) log::info(crop_summary(sizes_of_usable(inspected), settings.picture_size));
    const CaptionTable captions = find_captions_of(samples, options, folders);
    const model::ClipTokenizer tokenizer = model.load_tokenizer();
    if (!tokenizer.doubt().empty()) log::warning(tokenizer.doubt());
    warn_of_long_captions(tokenizer, captions.captions);
    inputs.plan = make_cache_plan(settings, samples, captions.captions);
    inputs.plan.skipped = found.skipped;
    inputs.empty_captions = captions.emptied_images;
    inputs.lines_without_picture = lines_without_picture(options.images, found);
  });
  return inputs;
}

}  // namespace sdlora::data
