// The merges of OpenAI's CLIP, a part of the program: checkpoint files come without a tokenizer.
#pragma once

#include <string_view>

namespace sdlora::model {

// As transformers' merges.txt: a line "#version: 0.2", then 48,894 lines of two tokens.
std::string_view clip_merges_txt();

}  // namespace sdlora::model
