// What CLIP's tokenizer asks of Unicode: reading UTF-8, normalising a caption, and sorting characters into
// four classes.
//
// The reference (the `tokenizers` library under transformers) takes each answer from another library, of
// another Unicode version: NFC of Unicode 9, the classes \p{L}, \p{N}, \s of Unicode 16, lower case of
// Unicode 17. Its answers are followed for every code point, whatever Unicode version this program's ICU has.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

namespace sdlora::model {

enum class CharacterClass { kLetter, kNumber, kSpace, kOther };

CharacterClass character_class(char32_t c);

// Each ill-formed part becomes one U+FFFD, as in Python's decode(errors="replace") and the Unicode standard
// (3.9).
std::u32string decode_utf8(std::string_view text);

std::string encode_utf8(std::u32string_view text);

class CaptionNormalizer {
 public:
  CaptionNormalizer();

  // NFC, every run of white space one space, then each character in lower case on its own (Σ is σ also at the
  // end).
  std::u32string normalize(std::u32string_view text) const;

 private:
  std::unique_ptr<const icu::UnicodeSet> composable_;  // assigned by Unicode 9
  std::unique_ptr<const icu::Normalizer2> nfc_;
};

}  // namespace sdlora::model
