#include "data/caching/cache_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "checkpoint/sha256.h"
#include "data/caching/settings_json.h"
#include "data/shards/cache_precision.h"

namespace sdlora::data {
namespace {

using Json = nlohmann::json;

// source, SHA-256, caption; then, where there is something to say, the repeats and the six numbers of the
// fit; and an object with what else there is. `with_names`: of masks' files, on which no byte of a shard
// depends.
Json samples_json(const std::vector<PlannedSample>& samples, bool with_names) {
  Json list = Json::array();
  for (const PlannedSample& sample : samples) {
    Json entry = {sample.source, sample.source_sha256, sample.caption_index};
    if (sample.fit || sample.repeats != 1) entry.push_back(sample.repeats);
    if (const auto& fit = sample.fit)
      for (const PictureSize& size : {fit->original, fit->resized, fit->size}) {
        entry.push_back(size.width);
        entry.push_back(size.height);
      }
    Json more = Json::object();
    if (sample.subset != 0) more["subset"] = sample.subset;
    if (!sample.mask_sha256.empty()) more["mask_sha256"] = sample.mask_sha256;
    if (!sample.mask_name.empty() && with_names) more["mask_name"] = sample.mask_name;
    if (!sample.other_captions.empty()) more["other_captions"] = sample.other_captions;
    if (!more.empty()) entry.push_back(std::move(more));
    list.push_back(std::move(entry));
  }
  return list;
}

PlannedSample sample_from(Json entry) {
  constexpr size_t kWithRepeats = 4, kWithFit = 10;
  PlannedSample sample{.source = entry.at(0), .source_sha256 = entry.at(1), .caption_index = entry.at(2)};
  if (const Json more = entry.back(); more.is_object()) {
    sample.subset = more.value("subset", int64_t{0});
    sample.mask_sha256 = more.value("mask_sha256", "");
    sample.mask_name = more.value("mask_name", "");
    sample.other_captions = more.value("other_captions", std::vector<int64_t>());
    entry.erase(entry.size() - 1);
  }
  if (entry.size() >= kWithRepeats) sample.repeats = entry.at(3);
  if (entry.size() == kWithFit)
    sample.fit = {.original = {entry.at(4), entry.at(5)},
                  .resized = {entry.at(6), entry.at(7)},
                  .size = {entry.at(8), entry.at(9)}};
  return sample;
}

std::string hash_of(const PlannedShard& shard, const CacheSettings& settings) {
  Json inputs = {{"format_version", kPlainFormatVersion},
                 {"flip", settings.flip},
                 {"vae_scaling_factor", settings.vae_scaling_factor},
                 {"vae_sha256", settings.vae_sha256},
                 {"samples", samples_json(shard.samples, /*with_names=*/false)}};
  add_picture_size(inputs, settings.picture_size);
  add_precision(inputs, settings.mixed_precision);
  add_mask_kind(inputs, settings.mask);
  return checkpoint::sha256_of(inputs.dump());
}

// Cuts what is of one size into shards.
void add_shards(CachePlan& plan, const std::vector<PlannedSample>& samples) {
  const auto shard_size = static_cast<size_t>(plan.settings.shard_size);
  for (size_t first = 0; first < samples.size(); first += shard_size) {
    const auto begin = samples.begin() + static_cast<ptrdiff_t>(first);
    const auto count = static_cast<ptrdiff_t>(std::min(shard_size, samples.size() - first));
    PlannedShard shard{.file_name = shard_file_name(static_cast<int64_t>(plan.shards.size())),
                       .samples = {begin, begin + count}};
    shard.inputs_sha256 = hash_of(shard, plan.settings);
    plan.shards.push_back(std::move(shard));
  }
}

}  // namespace

int64_t CachePlan::picture_count() const {
  int64_t count = 0;
  for (const PlannedShard& shard : shards) count += static_cast<int64_t>(shard.samples.size());
  return count;
}

int64_t CachePlan::format_version() const {
  const auto is_plain = [](const PlannedSample& sample) {
    return !sample.fit && sample.repeats == 1 && sample.subset == 0 && sample.other_captions.empty();
  };
  const bool are_plain = std::all_of(shards.begin(), shards.end(), [&](const PlannedShard& shard) {
    return std::all_of(shard.samples.begin(), shard.samples.end(), is_plain);
  });
  return are_plain && settings.are_plain() ? kPlainFormatVersion : kFormatVersion;
}

CachePlan make_cache_plan(const CacheSettings& settings, const std::vector<PlannedSample>& samples,
                          const std::vector<std::string>& captions) {
  CachePlan plan{.settings = settings, .captions = captions};
  std::map<std::pair<int64_t, int64_t>, std::vector<PlannedSample>> by_size;  // width, height
  for (const PlannedSample& sample : samples) {
    const PictureSize size = sample.fit_or_square(settings).size;
    by_size[{size.width, size.height}].push_back(sample);
  }
  for (const auto& [size, its_samples] : by_size) add_shards(plan, its_samples);
  Json text_inputs = {{"format_version", kPlainFormatVersion},
                      {"text_encoder_sha256", settings.text_encoder_sha256},
                      {"tokenizer_sha256", settings.tokenizer_sha256},
                      {"captions", captions}};
  add_precision(text_inputs, settings.mixed_precision);
  add_reading(text_inputs, settings.reading);
  plan.text_inputs_sha256 = checkpoint::sha256_of(text_inputs.dump());
  return plan;
}

std::string to_json_text(const CachePlan& plan) {
  Json json = {{"settings", to_json(plan.settings)},
               {"captions", plan.captions},
               {"text_inputs_sha256", plan.text_inputs_sha256},
               {"is_text_kept", plan.is_text_kept},
               {"reusable_shards", plan.reusable_shards},
               {"shards", Json::array()},
               {"skipped", Json::array()}};
  for (const PlannedShard& shard : plan.shards)
    json["shards"].push_back({{"file_name", shard.file_name},
                              {"inputs_sha256", shard.inputs_sha256},
                              {"samples", samples_json(shard.samples, /*with_names=*/true)},
                              {"is_kept", shard.is_kept}});
  for (const SkippedImage& image : plan.skipped) json["skipped"].push_back({image.source, image.reason});
  return json.dump();
}

CachePlan parse_cache_plan(const std::string& json_text) {
  const Json json = Json::parse(json_text);
  CachePlan plan{.settings = settings_from(json.at("settings")),
                 .captions = json.at("captions"),
                 .text_inputs_sha256 = json.at("text_inputs_sha256"),
                 .is_text_kept = json.at("is_text_kept"),
                 .reusable_shards = json.at("reusable_shards")};
  for (const Json& shard_json : json.at("shards")) {
    PlannedShard shard{.file_name = shard_json.at("file_name"),
                       .inputs_sha256 = shard_json.at("inputs_sha256"),
                       .is_kept = shard_json.at("is_kept")};
    for (const Json& sample : shard_json.at("samples")) shard.samples.push_back(sample_from(sample));
    plan.shards.push_back(std::move(shard));
  }
  for (const Json& image : json.at("skipped")) plan.skipped.push_back({image.at(0), image.at(1)});
  return plan;
}

}  // namespace sdlora::data
