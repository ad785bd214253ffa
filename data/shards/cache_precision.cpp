#include "data/shards/cache_precision.h"

namespace sdlora::data {

model::MixedPrecision read_precision_attribute(hid_t file, const Hdf5Place& place) {
  if (place.in(kPrecisionName).check(H5Aexists(file, kPrecisionName), "look for an attribute") == 0)
    return model::MixedPrecision::kNo;
  const std::string word = read_string_attribute(file, kPrecisionName, place);
  const auto precision = sdlora::value_of(word, cache_precision_words());
  if (!precision || *precision == model::MixedPrecision::kNo)
    place.in(kPrecisionName).fail("bf16, or no such attribute", word);
  return *precision;
}

void write_precision_attribute(hid_t file, model::MixedPrecision precision, const Hdf5Place& place) {
  if (precision != model::MixedPrecision::kNo)
    write_string_attribute(file, kPrecisionName, word_of(precision), place);
}

}  // namespace sdlora::data
