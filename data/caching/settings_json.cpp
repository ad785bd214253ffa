#include "data/caching/settings_json.h"

#include <nlohmann/json.hpp>

#include "data/shards/cache_buckets.h"
#include "data/shards/cache_masks.h"
#include "data/shards/cache_precision.h"
#include "data/shards/cache_reading.h"

namespace sdlora::data {

nlohmann::json to_json(const CacheSettings& settings) {
  nlohmann::json json = {{"width", settings.picture_size.width},
                         {"height", settings.picture_size.height},
                         {"flip", settings.flip},
                         {"shard_size", settings.shard_size},
                         {"vae_scaling_factor", settings.vae_scaling_factor},
                         {"vae_sha256", settings.vae_sha256},
                         {"text_encoder_sha256", settings.text_encoder_sha256},
                         {"tokenizer_sha256", settings.tokenizer_sha256}};
  add_precision(json, settings.mixed_precision);
  add_buckets(json, settings.buckets);
  add_mask_kind(json, settings.mask);
  add_reading(json, settings.reading);
  add_subsets(json, settings.subsets);
  return json;
}

CacheSettings settings_from(const nlohmann::json& json) {
  return {.picture_size = {.width = json.at("width"), .height = json.at("height")},
          .buckets = buckets_in(json),
          .mask = mask_kind_in(json),
          .flip = json.at("flip"),
          .shard_size = json.at("shard_size"),
          .vae_scaling_factor = json.at("vae_scaling_factor"),
          .vae_sha256 = json.at("vae_sha256"),
          .text_encoder_sha256 = json.at("text_encoder_sha256"),
          .tokenizer_sha256 = json.at("tokenizer_sha256"),
          .reading = reading_in(json),
          .mixed_precision = precision_in(json),
          .subsets = subsets_in(json)};
}

}  // namespace sdlora::data
