// Where a cache's masks come from, as its JSON files say it: a word under the name "mask", nothing where it
// has none.
#pragma once

#include "data/images/picture_mask.h"

namespace sdlora::data {

inline constexpr const char* kMaskKindName = "mask";

// Throws Json::exception for another word, and for what is no word.
template <typename Json>
MaskKind mask_kind_in(const Json& json) {
  if (!json.contains(kMaskKindName)) return MaskKind::kNone;
  const auto word = json.at(kMaskKindName).template get<std::string>();
  const auto kind = sdlora::value_of(word, mask_kind_words());
  if (kind && *kind != MaskKind::kNone) return *kind;
  throw Json::other_error::create(501, "an unknown mask: " + word, &json);
}

template <typename Json>
void add_mask_kind(Json& json, MaskKind kind) {
  if (kind != MaskKind::kNone) json[kMaskKindName] = sdlora::word_of(kind, mask_kind_words());
}

}  // namespace sdlora::data
