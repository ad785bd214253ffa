// The rules of aspect buckets, as the JSON files of a cache say them: an object under the name "buckets",
// nothing where pictures are cropped to one size.
#pragma once

#include <optional>

#include "common/json_text.h"
#include "data/images/aspect_buckets.h"

namespace sdlora::data {

inline constexpr const char* kBucketsName = "buckets";

// Throws Json::exception for what is no such object.
template <typename Json>
std::optional<BucketRules> buckets_in(const Json& json) {
  if (!json.contains(kBucketsName)) return std::nullopt;
  const Json& buckets = json.at(kBucketsName);
  return BucketRules{.least_side = whole_number(buckets.at("least_side")),
                     .greatest_side = whole_number(buckets.at("greatest_side")),
                     .step = whole_number(buckets.at("step")),
                     .no_upscale = buckets.at("no_upscale").template get<bool>()};
}

template <typename Json>
void add_buckets(Json& json, const std::optional<BucketRules>& rules) {
  if (!rules) return;
  json[kBucketsName] = {{"least_side", rules->least_side},
                        {"greatest_side", rules->greatest_side},
                        {"step", rules->step},
                        {"no_upscale", rules->no_upscale}};
}

}  // namespace sdlora::data
