#include "model/clip/clip_added_tokens.h"

#include <algorithm>

#include <unicode/uchar.h>

#include "model/clip/clip_unicode.h"

namespace sdlora::model {
namespace {

bool is_space(char32_t c) {
  return character_class(c) == CharacterClass::kSpace;
}

// \w of UTS #18, annex C
bool is_word_character(char32_t c) {
  const auto point = static_cast<UChar32>(c);
  return u_isUAlphabetic(point) || u_hasBinaryProperty(point, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(point) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK));
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens, bool is_normalized,
                                     const Normalize& normalize) {
  for (const AddedToken& token : tokens) {
    if (token.is_normalized != is_normalized) continue;
    std::u32string content = decode_utf8(token.content);
    if (is_normalized) content = normalize(content);
    if (!content.empty()) patterns_.push_back({std::move(content), token});
  }
  std::ranges::stable_sort(patterns_, std::greater<>(), [](const Pattern& p) { return p.content.size(); });
}

const AddedTokenMatcher::Pattern* AddedTokenMatcher::find_at(std::u32string_view text,
                                                             size_t position) const {
  for (const Pattern& pattern : patterns_)
    if (text.substr(position).starts_with(pattern.content)) return &pattern;
  return nullptr;
}

std::vector<TextPiece> AddedTokenMatcher::split(std::u32string_view text) const {
  std::vector<TextPiece> pieces;
  size_t done = 0;
  for (size_t position = 0; position < text.size();) {
    const Pattern* pattern = find_at(text, position);
    if (!pattern) {
      ++position;
      continue;
    }
    size_t first = position, end = position + pattern->content.size();
    position = end;
    const bool touches_word = (first > 0 && is_word_character(text[first - 1])) ||
                              (end < text.size() && is_word_character(text[end]));
    if (pattern->token.is_whole_word && touches_word) continue;
    while (pattern->token.strips_left && first > done && is_space(text[first - 1])) --first;
    while (pattern->token.strips_right && end < text.size() && is_space(text[end])) ++end;
    if (done < first) pieces.push_back({text.substr(done, first - done)});
    pieces.push_back({text.substr(first, end - first), pattern->token.id});
    done = position = end;
  }
  if (done < text.size()) pieces.push_back({text.substr(done)});
  return pieces;
}

}  // namespace sdlora::model
