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
#include "data/caching/owned_names.h"
#include "data/caching/picture_scan.h"
#include "data/caching/picture_subset.h"
#include "data/caching/reg_balance.h"
#include "data/caching/report_builder.h"
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

constexpr int64_t kLargestShardSize = 4096;

void check_range(const char* option, int64_t value, int64_t largest) {
  if (value >= 1 && value <= largest) return;
  throw Error(ExitCode::kUsage, {.what = fmt::format("{} is out of range", option),
                                 .expected = fmt::format("1 … {}", largest),
                                 .seen = fmt::format("{}", value)});
}

// Hashes that an older version recorded in another way stay as they are in `previous`.
CacheSettings settings_for(const CacheOptions& options, const std::vector<PictureSubset>& subsets,
                           const model::ModelSource& model, const CacheSettings& previous) {
  check_range("--img-size", options.image_size, kLargestImageSize);
  check_range("--shard-size", options.shard_size, kLargestShardSize);
  const PictureSubset& largest = *std::max_element(subsets.begin(), subsets.end(),
                                                   [](const PictureSubset& one, const PictureSubset& other) {
                                                     return one.size.area() < other.size.area();
                                                   });
  CacheSettings settings{
      .picture_size = largest.size,
      .buckets = largest.buckets,
      .mask = common_mask_kind(subsets),
      .flip = options.flip,
      .shard_size = options.shard_size,
      .vae_sha256 = model.hash_like(ModelPart::kVae, previous.vae_sha256),
      .text_encoder_sha256 = model.hash_like(ModelPart::kTextEncoder, previous.text_encoder_sha256)};
  const auto vae = model::VaeConfig::read(model.config_of(ModelPart::kVae));
  const bool is_by_file = !options.dataset_config.empty();
  for (const PictureSubset& subset : subsets) {
    if (!latent_size(subset.size, vae.downscale()))
      throw Error(ExitCode::kUsage,
                  {.what = fmt::format("{} does not fit the model", is_by_file ? "resolution" : "--img-size"),
                   .expected = fmt::format("a multiple of {}", vae.downscale()),
                   .seen = in_words(subset.size)});
    if (subset.buckets && subset.buckets->step % vae.downscale() != 0)
      throw Error(ExitCode::kUsage, {.what = fmt::format("{} does not fit the model",
                                                         is_by_file ? "bucket_reso_steps" : "--bucket-step"),
                                     .expected = fmt::format("a multiple of {}", vae.downscale()),
                                     .seen = fmt::format("{}", subset.buckets->step)});
    settings.flip = settings.flip || subset.entry.is_flipped_by_chance;
  }
  settings.subsets.clear();
  for (const PictureSubset& subset : subsets) settings.subsets.push_back(subset.entry);
  settings.vae_scaling_factor = vae.scaling_factor;
  settings.mixed_precision = options.mixed_precision;
  settings.reading = options.reading;
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
RepeatedFolders folders_by(const PictureSubset& subset, const std::vector<std::string>& sources) {
  if (subset.repeats) return {};
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
  if (subset.buckets) buckets.emplace(subset.size, *subset.buckets);
  std::vector<PlannedSample> samples;
  for (size_t image = 0; image < scanned.inspected.size(); ++image) {
    const std::string& source = scanned.found.sources[image];
    const InspectedImage& inspected = scanned.inspected[image];
    std::string reason = inspected.unusable_reason;
    PlannedSample sample{.source = subset.name_of(source), .source_sha256 = inspected.sha256};
    sample.mask_name = scanned.masks[image].name;
    sample.mask_sha256 = scanned.masks[image].sha256;
    if (settings.mask == MaskKind::kFile && subset.mask == MaskKind::kAlpha) sample.mask_sha256 = kOfItsAlpha;
    try {
      if (buckets && reason.empty()) sample.fit = buckets->fit(inspected.size);
      if (!buckets && settings.has_several_sizes() && reason.empty())
        sample.fit = fit_to_cover(inspected.size, subset.size);
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

// Gives the samples of a subset their captions, which come into `table`. Adds to `empty_captions`.
void find_captions_of(std::vector<PlannedSample>& samples, const CacheOptions& options, int64_t number,
                      const PictureSubset& subset, const RepeatedFolders& folders, CaptionTable& table,
                      std::vector<std::string>& empty_captions) {
  std::vector<std::string> sources;
  for (const PlannedSample& sample : samples)
    if (sample.subset == number) sources.push_back(subset.source_of(sample.source));
  CaptionPlaces places = subset.captions;
  if (!folders.empty() && places.for_the_rest)
    log::warning(
        "--training-caption is not used: the folders' names are the captions of pictures without one "
        "(--folder-repeats off: not so)");
  places.of_folder = [&folders](const std::string& source) {
    const RepeatedFolder* folder = folder_of(source, folders);
    return folder == nullptr ? std::nullopt : std::optional(folder->words);
  };
  const ImageCaptions found = find_captions(subset.folder, sources, places, table, leave_when_asked(options));
  auto rows = found.rows_of_image.begin();
  for (PlannedSample& sample : samples) {
    if (sample.subset != number) continue;
    sample.caption_index = rows->front();
    sample.other_captions.assign(rows->begin() + 1, rows->end());
    ++rows;
  }
  for (const std::string& source : found.emptied_images) empty_captions.push_back(subset.name_of(source));
}

// That a data-set file asks for; 0: none does.
int64_t batch_size_of(const std::vector<PictureSubset>& subsets) {
  int64_t batch_size = 0;
  for (const PictureSubset& subset : subsets) batch_size = std::max(batch_size, subset.batch_size);
  return batch_size;
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

// Of one data set: gives the regularisation pictures the repeats that balance them, and takes out those that
// are not needed.
void balance(std::vector<PlannedSample>& samples, const std::vector<PictureSubset>& subsets, int64_t dataset,
             std::vector<std::string>& not_needed) {
  const auto is_reg = [&](const PlannedSample& sample) {
    const PictureSubset& subset = subsets[static_cast<size_t>(sample.subset)];
    return subset.dataset == dataset && subset.entry.is_reg;
  };
  int64_t training_count = 0, used_count = 0;
  std::vector<int64_t> own_repeats;
  for (const PlannedSample& sample : samples) {
    if (is_reg(sample))
      own_repeats.push_back(sample.repeats);
    else if (subsets[static_cast<size_t>(sample.subset)].dataset == dataset)
      training_count += sample.repeats;
  }
  if (own_repeats.empty()) return;
  if (training_count == 0)
    throw Error(ExitCode::kUsage, {.what = "a data set has regularisation pictures alone",
                                   .expected = "pictures to be learnt beside them",
                                   .seen = fmt::format("{} with is_reg", own_repeats.size())});
  const std::vector<int64_t> repeats = balanced_repeats(own_repeats, training_count);
  if (*std::max_element(repeats.begin(), repeats.end()) > kMostRepeats)
    throw Error(ExitCode::kBadData,
                {.what = "there are too few regularisation pictures",
                 .expected = fmt::format("so many that none is repeated more than {} times", kMostRepeats),
                 .seen = fmt::format("{} beside {} an epoch to be learnt", repeats.size(), training_count),
                 .advice = "put more into --reg-images (is_reg)"});
  std::vector<std::string> unused;
  size_t place = 0;
  for (PlannedSample& sample : samples) {
    if (!is_reg(sample)) continue;
    sample.repeats = repeats[place++];
    used_count += sample.repeats;
    if (sample.repeats == 0) unused.push_back(sample.source);
  }
  std::erase_if(samples, [](const PlannedSample& sample) { return sample.repeats == 0; });
  log::info(fmt::format("{} regularisation pictures, {} an epoch beside {} to be learnt{}",
                        repeats.size() - unused.size(), used_count, training_count,
                        unused.empty() ? ""
                                       : fmt::format("; {} more are not needed and not cached, from {} on",
                                                     unused.size(), unused.front())));
  not_needed.insert(not_needed.end(), unused.begin(), unused.end());
}

}  // namespace

CacheInputs gather_cache_inputs(const CacheOptions& options, const std::vector<PictureSubset>& subsets,
                                const std::optional<CacheSettings>& previous, comm::Communicator& world) {
  std::vector<ScannedPictures> scanned;  // by subset
  scanned.reserve(subsets.size());
  ScanMemory memory = broadcast_scan_memory(options, world);
  for (const PictureSubset& subset : subsets)
    scanned.push_back(scan_pictures(options, subset, memory, world));
  memory.forget_the_rest();
  if (world.rank() == 0) memory.save_to(options.output / kScanName);
  CacheInputs inputs;
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    if (const int64_t batch_size = batch_size_of(subsets); batch_size != 0)
      log::info(
          fmt::format("batch_size = {0} of the data-set file is the trainer's: give it --batch-size {0}, or "
                      "{0} times the number of ranks, which is what kohya's is with several",
                      batch_size));
    const model::ModelSource model(options.model, options.vae);
    log::info(fmt::format("{}: {}", options.model.string(), model.description()));
    const CacheSettings settings = settings_for(options, subsets, model, previous.value_or(CacheSettings()));
    std::vector<PlannedSample> samples;
    std::vector<RepeatedFolders> folders;  // by subset
    for (size_t subset = 0; subset < subsets.size(); ++subset) {
      const FoundImages& found = scanned[subset].found;
      folders.push_back(folders_by(subsets[subset], found.sources));
      std::vector<PlannedSample> own = usable_samples(settings, subsets[subset], scanned[subset]);
      if (own.empty()) fail_without_images(subsets[subset].folder, found);
      for (PlannedSample& sample : own) {
        sample.subset = static_cast<int64_t>(subset);
        sample.repeats = subsets[subset].repeats.value_or(1);
        if (const RepeatedFolder* folder =
                folder_of(subsets[subset].source_of(sample.source), folders[subset]))
          sample.repeats = folder->repeats;
      }
      samples.insert(samples.end(), own.begin(), own.end());
    }
    for (int64_t dataset = 0; dataset <= subsets.back().dataset; ++dataset)
      balance(samples, subsets, dataset, inputs.not_needed);
    CaptionTable table;
    for (size_t subset = 0; subset < subsets.size(); ++subset) {
      find_captions_of(samples, options, static_cast<int64_t>(subset), subsets[subset], folders[subset],
                       table, inputs.empty_captions);
      for (const SkippedImage& image : scanned[subset].found.skipped)
        inputs.plan.skipped.push_back({subsets[subset].name_of(image.source), image.reason});
      for (const std::string& line : lines_without_picture(subsets[subset].folder, scanned[subset].found))
        inputs.lines_without_picture.push_back(subsets[subset].name_of(line));
    }
    require_masks(settings, samples);
    if (!settings.has_several_sizes())
      log::info(crop_summary(sizes_of_usable(scanned), settings.picture_size));
    const model::ClipTokenizer tokenizer = model.load_tokenizer();
    if (!tokenizer.doubt().empty()) log::warning(tokenizer.doubt());
    const int64_t room = token_room(tokenizer, options.reading);
    const LongCaptions long_captions =
        find_long_captions(tokenizer, room, table.captions(), leave_when_asked(options));
    warn_of(long_captions, room, static_cast<int64_t>(table.captions().size()));
    inputs.report = report_on(samples, table.captions(), long_captions, inputs.lines_without_picture);
    std::vector<SkippedImage> skipped = std::move(inputs.plan.skipped);
    inputs.plan = make_cache_plan(settings, samples, table.captions());
    inputs.plan.skipped = std::move(skipped);
  });
  return inputs;
}

}  // namespace sdlora::data
