// --clip-skip and --max-token-length, of the programs that encode texts.
#pragma once

#include "common/options.h"
#include "model/clip/clip_text_reader.h"

namespace sdlora::model {

inline Words<int64_t> max_token_length_words() {
  return {{"75", 75}, {"150", 150}, {"225", 225}};
}

inline void declare_reading(OptionGroup group, ClipReading& reading) {
  group
      .add("clip-skip", reading.clip_skip, Scope::kResult,
           "which of the text encoder's layers is taken, counted from the last: 1: the last; 2: the one "
           "before it")
      .positive();
  group
      .add("max-token-length", reading.max_token_length, Scope::kResult,
           "tokens of a text that count: 75, or 150 or 225, in chunks of 75")
      .one_of(max_token_length_words());
}

}  // namespace sdlora::model
