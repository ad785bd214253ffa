#include "data/shards/cache_reading.h"

#include <fmt/format.h>

namespace sdlora::data {
namespace {

int64_t attribute_or(hid_t file, const char* name, int64_t otherwise, const Hdf5Place& place) {
  const bool is_there = place.in(name).check(H5Aexists(file, name), "look for an attribute") != 0;
  return is_there ? read_integer_attribute(file, name, place) : otherwise;
}

}  // namespace

model::ClipReading read_reading_attributes(hid_t file, const Hdf5Place& place) {
  const model::ClipReading plain;
  const model::ClipReading reading = {
      .clip_skip = attribute_or(file, kClipSkipName, plain.clip_skip, place),
      .max_token_length = attribute_or(file, kMaxTokenLengthName, plain.max_token_length, place)};
  if (!reading.is_possible())
    place.in(kMaxTokenLengthName)
        .fail("75, 150 or 225 tokens and a clip skip of 1 or more", in_words(reading));
  return reading;
}

void write_reading_attributes(hid_t file, const model::ClipReading& reading, const Hdf5Place& place) {
  const model::ClipReading plain;
  if (reading.clip_skip != plain.clip_skip)
    write_integer_attribute(file, kClipSkipName, reading.clip_skip, place);
  if (reading.max_token_length != plain.max_token_length)
    write_integer_attribute(file, kMaxTokenLengthName, reading.max_token_length, place);
}

std::string in_words(const model::ClipReading& reading) {
  return fmt::format("clip skip {}, {} tokens", reading.clip_skip, reading.max_token_length);
}

}  // namespace sdlora::data
