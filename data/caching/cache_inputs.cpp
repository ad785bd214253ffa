#include "data/caching/cache_inputs.h"

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
      .flip = options.flip,
      .shard_size = options.shard_size,
      .vae_sha256 = model.hash_like(ModelPart::kVae, previous.vae_sha256),
      .text_encoder_sha256 = model.hash_like(ModelPart::kTextEncoder, previous.text_encoder_sha256)};
  const auto vae = model::VaeConfig::read(model.config_of(ModelPart::kVae));
  if (!latent_size(settings.picture_size, vae.downscale()))
    throw Error(ExitCode::kUsage, {.what = "--img-size does not fit the model",
                                   .expected = fmt::format("a multiple of {}", vae.downscale()),
                                   .seen = fmt::format("{}", options.image_size)});
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
    std::vector<std::string> usable;
    std::vector<PlannedSample> samples;
    std::vector<PictureSize> sizes;
    for (size_t image = 0; image < found.sources.size(); ++image) {
      const std::string& source = found.sources[image];
      if (inspected[image].unusable_reason.empty()) {
        usable.push_back(source);
        samples.push_back({.source = source, .source_sha256 = inspected[image].sha256});
        sizes.push_back(inspected[image].size);
      } else {
        found.skipped.push_back({source, valid_utf8(inspected[image].unusable_reason)});
      }
    }
    if (samples.empty()) fail_without_images(options.images, found);
    log::info(crop_summary(sizes, settings.picture_size));
    CaptionTable captions =
        find_captions(options.images, usable, options.captions, leave_when_asked(options));
    for (size_t image = 0; image < samples.size(); ++image)
      samples[image].caption_index = captions.index_of_image[image];
    const model::ClipTokenizer tokenizer = model.load_tokenizer();
    if (!tokenizer.doubt().empty()) log::warning(tokenizer.doubt());
    warn_of_long_captions(tokenizer, captions.captions);
    inputs.plan = make_cache_plan(settings, samples, captions.captions);
    inputs.plan.skipped = found.skipped;
    inputs.empty_captions = std::move(captions.emptied_images);
    inputs.lines_without_picture = lines_without_picture(options.images, found);
  });
  return inputs;
}

}  // namespace sdlora::data
