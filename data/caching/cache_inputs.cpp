#include "data/caching/cache_inputs.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/log.h"
#include "common/text_list.h"
#include "common/utf8.h"
#include "data/caching/crop_summary.h"
#include "data/caching/picture_scan.h"
#include "data/caching/picture_subset.h"
#include "data/caching/reg_balance.h"
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

using RepeatedFolders = std::map<std::string, RepeatedFolder>;  // by name

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
      .mask = options.mask,
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
RepeatedFolders folders_by(const CacheOptions& options, const std::vector<std::string>& sources) {
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
std::vector<PlannedSample> usable_samples(const CacheSettings& settings, const PictureSubset& subset,
                                          ScannedPictures& scanned) {
  std::optional<AspectBuckets> buckets;
  if (settings.buckets) buckets.emplace(settings.picture_size, *settings.buckets);
  std::vector<PlannedSample> samples;
  for (size_t image = 0; image < scanned.inspected.size(); ++image) {
    const std::string& source = scanned.found.sources[image];
    const InspectedImage& inspected = scanned.inspected[image];
    std::string reason = inspected.unusable_reason;
    PlannedSample sample{.source = subset.name_of(source), .source_sha256 = inspected.sha256};
    sample.mask_sha256 = scanned.mask_sha256[image];
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

std::vector<PictureSize> sizes_of_usable(const std::vector<ScannedPictures>& scanned) {
  std::vector<PictureSize> sizes;
  for (const ScannedPictures& pictures : scanned)
    for (const InspectedImage& image : pictures.inspected)
      if (image.unusable_reason.empty()) sizes.push_back(image.size);
  return sizes;
}

// Null where the folders' names say nothing.
const RepeatedFolder* folder_of(const std::string& source, const RepeatedFolders& folders) {
  return folders.empty() ? nullptr : &folders.at(first_folder_of(source).value());
}

// Gives the samples their captions, which come into `table`. Adds to `empty_captions`.
void find_captions_of(std::vector<PlannedSample>& samples, const CacheOptions& options,
                      const PictureSubset& subset, const RepeatedFolders& folders, CaptionTable& table,
                      std::vector<std::string>& empty_captions) {
  std::vector<std::string> sources;
  sources.reserve(samples.size());
  for (const PlannedSample& sample : samples) sources.push_back(subset.source_of(sample.source));
  CaptionPlaces places = options.captions;
  if (subset.entry.is_reg) {
    places.for_the_rest.reset();
    places.last_way = "or folders named as 1_WORDS";
  }
  if (!folders.empty() && places.for_the_rest)
    log::warning(
        "--training-caption is not used: the folders' names are the captions of pictures without one "
        "(--folder-repeats off: not so)");
  places.of_folder = [&folders](const std::string& source) {
    const RepeatedFolder* folder = folder_of(source, folders);
    return folder == nullptr ? std::nullopt : std::optional(folder->words);
  };
  const ImageCaptions found = find_captions(subset.folder, sources, places, table, leave_when_asked(options));
  for (size_t image = 0; image < samples.size(); ++image) {
    const std::vector<int64_t>& rows = found.rows_of_image[image];
    samples[image].caption_index = rows.front();
    samples[image].other_captions.assign(rows.begin() + 1, rows.end());
  }
  for (const std::string& source : found.emptied_images) empty_captions.push_back(subset.name_of(source));
}

// Masks by files are asked for where there are some.
void require_masks(const CacheSettings& settings, const std::vector<PlannedSample>& samples) {
  const bool is_any = std::any_of(samples.begin(), samples.end(),
                                  [](const PlannedSample& sample) { return !sample.mask_sha256.empty(); });
  if (settings.mask != MaskKind::kFile || is_any) return;
  throw Error(ExitCode::kBadData,
              {.what = "not one picture has a mask",
               .expected = "NAME-masklabel.png beside NAME.jpg, white where the loss counts",
               .seen = fmt::format("{} pictures without", samples.size()),
               .advice = "make masks, or leave --mask file out"});
}

// Gives the regularisation pictures the repeats that balance them, and takes out those that are not needed.
void balance(std::vector<PlannedSample>& reg, const std::vector<PlannedSample>& training) {
  int64_t training_count = 0;
  for (const PlannedSample& sample : training) training_count += sample.repeats;
  std::vector<int64_t> own_repeats;
  own_repeats.reserve(reg.size());
  for (const PlannedSample& sample : reg) own_repeats.push_back(sample.repeats);
  const std::vector<int64_t> repeats = balanced_repeats(own_repeats, training_count);
  if (repeats.front() > kMostRepeats)
    throw Error(ExitCode::kBadData,
                {.what = "there are too few regularisation pictures",
                 .expected = fmt::format("so many that none is repeated more than {} times", kMostRepeats),
                 .seen = fmt::format("{} beside {} an epoch to be learnt", reg.size(), training_count),
                 .advice = "put more into --reg-images"});
  std::vector<PlannedSample> used;
  int64_t used_count = 0;
  for (size_t picture = 0; picture < reg.size(); ++picture) {
    reg[picture].repeats = repeats[picture];
    used_count += repeats[picture];
    if (repeats[picture] > 0) used.push_back(reg[picture]);
  }
  log::info(fmt::format("{} regularisation pictures, {} an epoch beside {} to be learnt{}", used.size(),
                        used_count, training_count,
                        used.size() == reg.size()
                            ? ""
                            : fmt::format("; {} more are not needed and not cached, from {} on",
                                          reg.size() - used.size(), reg[used.size()].source)));
  reg = std::move(used);
}

}  // namespace

CacheInputs gather_cache_inputs(const CacheOptions& options, const std::optional<CacheSettings>& previous,
                                comm::Communicator& world) {
  const std::vector<PictureSubset> subsets = subsets_of(options);
  std::vector<ScannedPictures> scanned;  // by subset
  for (const PictureSubset& subset : subsets) scanned.push_back(scan_pictures(options, subset.folder, world));
  CacheInputs inputs;
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    const model::ModelSource model(options.model, options.vae);
    log::info(fmt::format("{}: {}", options.model.string(), model.description()));
    const CacheSettings settings = settings_for(options, model, previous.value_or(CacheSettings()));
    std::vector<PlannedSample> samples;
    std::vector<SkippedImage> skipped;
    CaptionTable table;
    for (size_t subset = 0; subset < subsets.size(); ++subset) {
      FoundImages& found = scanned[subset].found;
      const auto folders = folders_by(options, found.sources);
      std::vector<PlannedSample> own = usable_samples(settings, subsets[subset], scanned[subset]);
      if (own.empty()) fail_without_images(subsets[subset].folder, found);
      for (PlannedSample& sample : own) {
        sample.subset = static_cast<int64_t>(subset);
        if (const RepeatedFolder* folder = folder_of(subsets[subset].source_of(sample.source), folders))
          sample.repeats = folder->repeats;
      }
      if (subsets[subset].entry.is_reg) balance(own, samples);
      find_captions_of(own, options, subsets[subset], folders, table, inputs.empty_captions);
      samples.insert(samples.end(), own.begin(), own.end());
      for (const SkippedImage& image : found.skipped)
        skipped.push_back({subsets[subset].name_of(image.source), image.reason});
      for (const std::string& line : lines_without_picture(subsets[subset].folder, found))
        inputs.lines_without_picture.push_back(subsets[subset].name_of(line));
    }
    require_masks(settings, samples);
    if (!settings.buckets) log::info(crop_summary(sizes_of_usable(scanned), settings.picture_size));
    const model::ClipTokenizer tokenizer = model.load_tokenizer();
    if (!tokenizer.doubt().empty()) log::warning(tokenizer.doubt());
    warn_of_long_captions(tokenizer, table.captions());
    inputs.plan = make_cache_plan(settings, samples, table.captions());
    inputs.plan.subsets.clear();
    for (const PictureSubset& subset : subsets) inputs.plan.subsets.push_back(subset.entry);
    inputs.plan.skipped = skipped;
  });
  return inputs;
}

}  // namespace sdlora::data
