#include "data/caching/cache_inputs.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/text_list.h"
#include "data/captions/long_captions.h"
#include "data/images/image_file.h"
#include "model/model_source.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using model::ModelPart;

constexpr int64_t kLargestImageSize = 4096;
constexpr int64_t kLargestShardSize = 4096;

// (all ranks) Rank 0's search.
FoundImages broadcast_found_images(const fs::path& folder, comm::Communicator& world) {
  std::string text;
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    const FoundImages found = find_images(folder);
    Json skipped = Json::array();
    for (const SkippedImage& image : found.skipped) skipped.push_back({image.source, image.reason});
    text = Json{{"sources", found.sources}, {"skipped", skipped}}.dump();
  });
  world.broadcast(text, 0);
  const Json json = Json::parse(text);
  FoundImages found{.sources = json.at("sources"), .skipped = {}};
  for (const Json& image : json.at("skipped")) found.skipped.push_back({image.at(0), image.at(1)});
  return found;
}

// (all ranks) Looks at every size-th image, and returns what all saw, by image.
std::vector<InspectedImage> gather_inspections(const fs::path& folder,
                                               const std::vector<std::string>& sources,
                                               comm::Communicator& world) {
  const auto rank = static_cast<size_t>(world.rank());
  const auto rank_count = static_cast<size_t>(world.size());
  Json own = Json::array();
  for (size_t image = rank; image < sources.size(); image += rank_count) {
    const InspectedImage inspected = inspect_image(folder / sources[image]);
    own.push_back({inspected.sha256, inspected.unusable_reason});
  }
  const std::vector<std::string> texts = world.gather(own.dump());
  std::vector<InspectedImage> all(sources.size());
  for (size_t other = 0; other < rank_count; ++other) {
    const Json list = Json::parse(texts[other]);
    for (size_t entry = 0; entry < list.size(); ++entry)
      all[other + entry * rank_count] = {list[entry].at(0), list[entry].at(1)};
  }
  return all;
}

void check_range(const char* option, int64_t value, int64_t largest) {
  if (value >= 1 && value <= largest) return;
  throw Error(ExitCode::kUsage, {.what = fmt::format("{} is out of range", option),
                                 .expected = fmt::format("1 … {}", largest),
                                 .seen = fmt::format("{}", value)});
}

CacheSettings settings_for(const CacheOptions& options, const model::ModelSource& model) {
  check_range("--img-size", options.image_size, kLargestImageSize);
  check_range("--shard-size", options.shard_size, kLargestShardSize);
  CacheSettings settings{.picture_size = square(options.image_size),
                         .flip = options.flip,
                         .shard_size = options.shard_size,
                         .vae_sha256 = model.hash_of(ModelPart::kVae),
                         .text_encoder_sha256 = model.hash_of(ModelPart::kTextEncoder)};
  const auto vae = model::VaeConfig::read(model.config_of(ModelPart::kVae));
  if (!latent_size(settings.picture_size, vae.downscale()))
    throw Error(ExitCode::kUsage, {.what = "--img-size does not fit the model",
                                   .expected = fmt::format("a multiple of {}", vae.downscale()),
                                   .seen = fmt::format("{}", options.image_size)});
  settings.vae_scaling_factor = vae.scaling_factor;
  settings.tokenizer_sha256 = model.hash_of(ModelPart::kTokenizer);
  return settings;
}

[[noreturn]] void fail_without_images(const fs::path& folder, const std::vector<SkippedImage>& skipped) {
  throw Error(ExitCode::kBadData, {.what = "the image folder has no usable image",
                                   .expected = "at least one PNG, JPEG, WebP or BMP file",
                                   .seen = skipped.empty() ? "none at all" : indented_list_of(skipped),
                                   .where = folder.string()});
}

}  // namespace

CachePlan gather_cache_inputs(const CacheOptions& options, comm::Communicator& world) {
  FoundImages found = broadcast_found_images(options.images, world);
  const std::vector<InspectedImage> inspected = gather_inspections(options.images, found.sources, world);
  CachePlan plan;
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    const model::ModelSource model(options.model);
    const CacheSettings settings = settings_for(options, model);
    std::vector<std::string> usable;
    std::vector<PlannedSample> samples;
    for (size_t image = 0; image < found.sources.size(); ++image) {
      const std::string& source = found.sources[image];
      if (inspected[image].unusable_reason.empty()) {
        usable.push_back(source);
        samples.push_back({.source = source, .source_sha256 = inspected[image].sha256});
      } else {
        found.skipped.push_back({source, valid_utf8(inspected[image].unusable_reason)});
      }
    }
    if (samples.empty()) fail_without_images(options.images, found.skipped);
    const CaptionTable captions = find_captions(options.images, usable, options.training_caption);
    for (size_t image = 0; image < samples.size(); ++image)
      samples[image].caption_index = captions.index_of_image[image];
    warn_of_long_captions(model.load_tokenizer(), captions.captions);
    plan = make_cache_plan(settings, samples, captions.captions);
    plan.skipped = found.skipped;
  });
  return plan;
}

}  // namespace sdlora::data
