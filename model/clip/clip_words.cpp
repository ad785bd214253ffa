#include "model/clip/clip_words.h"

#include <array>

#include "model/clip/clip_unicode.h"

namespace sdlora::model {
namespace {

constexpr std::array<std::u32string_view, 2> kMarkers = {U"<|startoftext|>", U"<|endoftext|>"};
constexpr size_t kMarkerEdge = 2;  // "<|" and "|>"

constexpr std::array<std::u32string_view, 7> kContractions = {U"'s", U"'t",  U"'re", U"'ve",
                                                              U"'m", U"'ll", U"'d"};

template <size_t count>
size_t length_of_prefix_among(const std::array<std::u32string_view, count>& prefixes,
                              std::u32string_view text) {
  for (const std::u32string_view prefix : prefixes)
    if (text.starts_with(prefix)) return prefix.size();
  return 0;
}

size_t run_length(std::u32string_view text, CharacterClass character) {
  size_t length = 1;
  while (length < text.size() && character_class(text[length]) == character) ++length;
  return length;
}

}  // namespace

std::vector<std::u32string_view> split_words(std::u32string_view text) {
  std::vector<std::u32string_view> words;
  const auto take = [&](size_t length) {
    words.push_back(text.substr(0, length));
    text.remove_prefix(length);
  };
  while (!text.empty()) {
    const CharacterClass character = character_class(text.front());
    if (character == CharacterClass::kSpace) {
      text.remove_prefix(1);
    } else if (const size_t marker = length_of_prefix_among(kMarkers, text)) {
      // A marker here was not taken for the special token. The reference's byte-level step cuts it at its
      // letters.
      take(kMarkerEdge);
      take(marker - 2 * kMarkerEdge);
      take(kMarkerEdge);
    } else if (const size_t contraction = length_of_prefix_among(kContractions, text)) {
      take(contraction);
    } else {
      take(character == CharacterClass::kNumber ? 1 : run_length(text, character));
    }
  }
  return words;
}

}  // namespace sdlora::model
