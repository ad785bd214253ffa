// CLIP's byte-level BPE tokenizer (transformers CLIPTokenizer / CLIPTokenizerFast): NFC, white space
// collapsed, lower case, the split pattern with Unicode classes, merges, 77 tokens with start and end
// markers, truncated or padded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sdlora::model {

class ClipTokenizer {
 public:
  // `directory` holds vocab.json and merges.txt, and tokenizer_config.json or special_tokens_map.json for the
  // pad token where they are. Throws Error(kBadData) naming the file.
  explicit ClipTokenizer(const std::filesystem::path& directory);
  ~ClipTokenizer();
  ClipTokenizer(ClipTokenizer&&) noexcept;

  // UTF-8 text to exactly max_length() ids: start, tokens (cut to fit), end, padding.
  std::vector<int64_t> encode(std::string_view text) const;

  // How many tokens `text` has, without start, end and cut: more than max_length() - 2 means words are lost.
  int64_t count_tokens(std::string_view text) const;

  int64_t max_length() const;  // 77

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace sdlora::model
