// Captions of which CLIP sees the beginning only.
#pragma once

#include <string>
#include <vector>

#include "model/clip/clip_tokenizer.h"

namespace sdlora::data {

// The words of `caption` that do not fit into `token_room` tokens (model::token_room); empty when all fit.
std::string words_lost(const model::ClipTokenizer& tokenizer, int64_t token_room, const std::string& caption);

// One warning with the number of such captions, the first few with what they lose. Returns the number.
int64_t warn_of_long_captions(const model::ClipTokenizer& tokenizer, int64_t token_room,
                              const std::vector<std::string>& captions);

}  // namespace sdlora::data
