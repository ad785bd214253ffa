// How a cache's captions were read, as its files say it: numbers under the names "clip_skip" and
// "max_token_length", each where it is another than the default.
#pragma once

#include "common/json_text.h"
#include "data/shards/hdf5_handles.h"
#include "model/clip/clip_text_reader.h"

namespace sdlora::data {

inline constexpr const char* kClipSkipName = "clip_skip";
inline constexpr const char* kMaxTokenLengthName = "max_token_length";

// Of a file's attributes.
model::ClipReading read_reading_attributes(hid_t file, const Hdf5Place& place);
void write_reading_attributes(hid_t file, const model::ClipReading& reading, const Hdf5Place& place);

// Of a JSON object. Throws Json::exception for what is no number.
template <typename Json>
model::ClipReading reading_in(const Json& json) {
  model::ClipReading reading;
  if (json.contains(kClipSkipName)) reading.clip_skip = whole_number(json.at(kClipSkipName));
  if (json.contains(kMaxTokenLengthName))
    reading.max_token_length = whole_number(json.at(kMaxTokenLengthName));
  if (!reading.is_possible())
    throw Json::other_error::create(501, "captions read in an impossible way", &json);
  return reading;
}

template <typename Json>
void add_reading(Json& json, const model::ClipReading& reading) {
  const model::ClipReading plain;
  if (reading.clip_skip != plain.clip_skip) json[kClipSkipName] = reading.clip_skip;
  if (reading.max_token_length != plain.max_token_length)
    json[kMaxTokenLengthName] = reading.max_token_length;
}

// "clip skip 2, 150 tokens"
std::string in_words(const model::ClipReading& reading);

}  // namespace sdlora::data
