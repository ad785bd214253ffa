// The subsets of a cache, as its manifest lists them under the name "subsets"; nothing where all pictures are
// of one plain set.
#pragma once

#include <string>
#include <vector>

namespace sdlora::data {

inline constexpr const char* kSubsetsName = "subsets";

struct CacheSubset {
  std::string name = {};  // empty: the pictures to be learnt
  bool is_reg = false;    // regularisation: what the model is to keep of their class

  // In front of its pictures' names.
  std::string prefix() const { return name.empty() ? "" : name + ":"; }

  bool operator==(const CacheSubset&) const = default;
};

// Throws Json::exception for what is no such list.
template <typename Json>
std::vector<CacheSubset> subsets_in(const Json& json) {
  if (!json.contains(kSubsetsName)) return {CacheSubset()};
  std::vector<CacheSubset> subsets;
  for (const Json& subset : json.at(kSubsetsName))
    subsets.push_back({.name = subset.at("name").template get<std::string>(),
                       .is_reg = subset.at("is_reg").template get<bool>()});
  if (subsets.size() < 2) throw Json::other_error::create(501, "fewer than two subsets", &json);
  return subsets;
}

template <typename Json>
void add_subsets(Json& json, const std::vector<CacheSubset>& subsets) {
  if (subsets.size() < 2) return;
  json[kSubsetsName] = Json::array();
  for (const CacheSubset& subset : subsets)
    json[kSubsetsName].push_back({{"name", subset.name}, {"is_reg", subset.is_reg}});
}

}  // namespace sdlora::data
