// Captions of which CLIP sees the beginning only.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/clip/clip_tokenizer.h"

namespace sdlora::data {

// The words of `caption` that do not fit into `token_room` tokens (model::token_room); empty when all fit.
std::string words_lost(const model::ClipTokenizer& tokenizer, int64_t token_room, const std::string& caption);

struct LongCaptions {
  int64_t count = 0;
  std::vector<std::pair<std::string, std::string>>
      first;  // at most 20: the caption and what it loses, shortened
};

// `between_captions` may throw.
LongCaptions find_long_captions(const model::ClipTokenizer& tokenizer, int64_t token_room,
                                const std::vector<std::string>& captions,
                                const std::function<void()>& between_captions);

// One warning with the number of such captions among `caption_count`, the first few with what they lose.
void warn_of(const LongCaptions& found, int64_t token_room, int64_t caption_count);

}  // namespace sdlora::data
