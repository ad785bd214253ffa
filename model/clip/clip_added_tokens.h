// Tokens that are looked for in a caption before it is cut into words: CLIP's markers, and what a model adds
// to them (the added vocabulary of the `tokenizers` library).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sdlora::model {

struct AddedToken {
  std::string content;  // UTF-8
  int64_t id = 0;
  bool is_normalized =
      false;  // looked for in the normalised caption, itself normalised; else in the caption as it is
  bool strips_left = false;  // white space beside it belongs to it
  bool strips_right = false;
  bool is_whole_word = false;  // not beside a letter, digit or underscore
};

// A stretch of text that is an added token, or that is between them.
struct TextPiece {
  std::u32string_view text;
  int64_t token_id = kNoToken;

  static constexpr int64_t kNoToken = -1;
};

class AddedTokenMatcher {
 public:
  using Normalize = std::function<std::u32string(std::u32string_view)>;

  // Of `tokens`, those with this `is_normalized`. `normalize` is applied to their contents.
  AddedTokenMatcher(const std::vector<AddedToken>& tokens, bool is_normalized, const Normalize& normalize);

  // From the left, the longest token at each place; no empty pieces.
  std::vector<TextPiece> split(std::u32string_view text) const;

 private:
  struct Pattern {
    std::u32string content;
    AddedToken token;
  };

  const Pattern* find_at(std::u32string_view text, size_t position) const;

  std::vector<Pattern> patterns_;  // longest first
};

}  // namespace sdlora::model
