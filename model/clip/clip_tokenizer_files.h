// The files of a tokenizer folder, as transformers reads them:
//
//   vocab.json, merges.txt              vocabulary, and merges by rank; without them both are from tokenizer.json
//   tokenizer_config.json               names of the special tokens, model_max_length, added_tokens_decoder
//   special_tokens_map.json             wins over tokenizer_config.json unless that has added_tokens_decoder
//   added_tokens.json, tokenizer.json   further added tokens, again unless there is added_tokens_decoder
//
// Without the last three the special tokens are those of OpenAI's CLIP.
#pragma once

#include <filesystem>
#include <string>

#include "model/clip/clip_added_tokens.h"
#include "model/clip/clip_byte_pairs.h"

namespace sdlora::model {

struct SpecialTokenFiles;

struct ClipTokenizerFiles {
  Vocabulary vocabulary;
  MergeList merges;
  std::filesystem::path merges_file;
  std::vector<AddedToken> added_tokens;
  int64_t start_id = 0;
  int64_t end_id = 0;
  int64_t unknown_id = 0;
  int64_t padding_id = 0;
  int64_t max_length = 77;  // start and end included

  // Throws Error(kBadData) naming the file.
  static ClipTokenizerFiles read(const std::filesystem::path& directory);

  // Fills in what `special` declares, once vocabulary and merges are there; `where` is what messages name.
  // Throws Error(kBadData).
  void declare(const SpecialTokenFiles& special, const std::filesystem::path& where);
};

// SHA-256 over all that decides ids: equal for two folders, or a folder and a program, that tokenize alike.
std::string identity_of(const ClipTokenizerFiles& files);

}  // namespace sdlora::model
