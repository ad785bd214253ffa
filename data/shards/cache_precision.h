// The type that VAE and text encoder computed in, as the files of a cache say it: a word under the name
// "mixed_precision" where it was not fp32, nothing where it was.
#pragma once

#include "data/shards/hdf5_handles.h"
#include "model/loading/mixed_precision.h"

namespace sdlora::data {

inline constexpr const char* kPrecisionName = "mixed_precision";

// Caches are made in fp32 or, on request, in bf16. fp16 is too narrow for SD 1.5's VAE: its activations
// overflow.
inline Words<model::MixedPrecision> cache_precision_words() {
  return {{"no", model::MixedPrecision::kNo}, {"bf16", model::MixedPrecision::kBf16}};
}

inline std::string word_of(model::MixedPrecision precision) {
  return sdlora::word_of(precision, cache_precision_words());
}

// Of a file's attributes. Throws Error(kBadData) for another word.
model::MixedPrecision read_precision_attribute(hid_t file, const Hdf5Place& place);
void write_precision_attribute(hid_t file, model::MixedPrecision precision, const Hdf5Place& place);

// Of a JSON object. Throws Json::exception for another word, and for what is no word.
template <typename Json>
model::MixedPrecision precision_in(const Json& json) {
  if (!json.contains(kPrecisionName)) return model::MixedPrecision::kNo;
  const auto word = json.at(kPrecisionName).template get<std::string>();
  const auto precision = sdlora::value_of(word, cache_precision_words());
  if (precision && *precision != model::MixedPrecision::kNo) return *precision;
  throw Json::other_error::create(501, "an unknown mixed_precision: " + word, &json);
}

template <typename Json>
void add_precision(Json& json, model::MixedPrecision precision) {
  if (precision != model::MixedPrecision::kNo) json[kPrecisionName] = word_of(precision);
}

}  // namespace sdlora::data
