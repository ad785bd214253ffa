// Which special and added tokens a tokenizer folder declares, by the rules of transformers
// (clip_tokenizer_files.h).
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "model/clip/clip_added_tokens.h"

namespace sdlora::model {

// Each an object, empty where the file is not there.
struct SpecialTokenFiles {
  nlohmann::json config;
  nlohmann::json special_tokens_map;
  nlohmann::json added_tokens;
  nlohmann::json tokenizer;
};

struct ClipSpecialTokens {
  std::string start, end, unknown, padding;  // contents
  std::vector<AddedToken> all;               // the four above among them; ids not yet given
};

// Throws nlohmann::json::exception for values of another type.
ClipSpecialTokens read_special_tokens(const SpecialTokenFiles& files);

}  // namespace sdlora::model
