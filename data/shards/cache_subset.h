// The subsets of a cache, as its files list them under the name "subsets"; nothing where all pictures are of
// one plain set.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/json_text.h"
#include "data/captions/caption_overrides.h"
#include "data/images/picture_size.h"

namespace sdlora::data {

inline constexpr const char* kSubsetsName = "subsets";

struct CacheSubset {
  std::string name = {};              // empty: the pictures to be learnt
  bool is_reg = false;                // regularisation: what the model is to keep of their class
  bool is_flipped_by_chance = false;  // a sample is its picture or, as often, the mirror image
  // Where subsets differ in it: of its pictures, or with buckets the size whose area none exceeds.
  std::optional<PictureSize> size = std::nullopt;
  CaptionOverrides captions = {};

  // In front of its pictures' names.
  std::string prefix() const { return name.empty() ? "" : name + ":"; }

  bool operator==(const CacheSubset&) const = default;
};

template <typename Json>
CacheSubset subset_in(const Json& json) {
  CacheSubset subset{.name = json.at("name").template get<std::string>(),
                     .is_reg = json.at("is_reg").template get<bool>()};
  subset.is_flipped_by_chance = json.value("is_flipped_by_chance", false);
  if (json.contains("width"))
    subset.size = {.width = whole_number(json.at("width")), .height = whole_number(json.at("height"))};
  if (!json.contains("captions")) return subset;
  const Json& captions = json.at("captions");
  if (!captions.is_object()) throw Json::other_error::create(501, "captions that are no object", &json);
  CaptionOverrides::for_each([&](const char* name, auto own, auto /*rule*/) {
    if (!captions.contains(name)) return;
    auto& value = subset.captions.*own;
    using Value = typename std::remove_reference_t<decltype(value)>::value_type;
    if constexpr (std::is_same_v<Value, int64_t>)
      value = whole_number(captions.at(name));
    else
      value = captions.at(name).template get<Value>();
  });
  if (!subset.captions.are_possible())
    throw Json::other_error::create(501, "impossible rules for captions", &json);
  return subset;
}

// Throws Json::exception for what is no such list.
template <typename Json>
std::vector<CacheSubset> subsets_in(const Json& json) {
  if (!json.contains(kSubsetsName)) return {CacheSubset()};
  std::vector<CacheSubset> subsets;
  for (const Json& subset : json.at(kSubsetsName)) subsets.push_back(subset_in(subset));
  if (subsets.empty() || subsets == std::vector{CacheSubset()})
    throw Json::other_error::create(501, "a list of subsets that says nothing", &json);
  return subsets;
}

template <typename Json>
Json to_json(const CacheSubset& subset) {
  Json json = {{"name", subset.name}, {"is_reg", subset.is_reg}};
  if (subset.is_flipped_by_chance) json["is_flipped_by_chance"] = true;
  if (subset.size) {
    json["width"] = subset.size->width;
    json["height"] = subset.size->height;
  }
  Json captions = Json::object();
  CaptionOverrides::for_each([&](const char* name, auto own, auto /*rule*/) {
    if (const auto& value = subset.captions.*own) captions[name] = *value;
  });
  if (!captions.empty()) json["captions"] = std::move(captions);
  return json;
}

template <typename Json>
void add_subsets(Json& json, const std::vector<CacheSubset>& subsets) {
  if (subsets == std::vector{CacheSubset()}) return;
  json[kSubsetsName] = Json::array();
  for (const CacheSubset& subset : subsets) json[kSubsetsName].push_back(to_json<Json>(subset));
}

}  // namespace sdlora::data
