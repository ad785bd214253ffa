#include "model/clip/clip_unicode.h"

#include <algorithm>
#include <array>
#include <span>

#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "common/error.h"

namespace sdlora::model {
namespace {

struct CharacterRange {
  char32_t first;
  char32_t last;
};

// Assigned by Unicode 15.1 and 16.0, so unknown to Debian 12's ICU 72 (Unicode 15.0).
constexpr std::array<CharacterRange, 22> kNewLetters = {{
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
    {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
    {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
    {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D},
}};

constexpr std::array<CharacterRange, 7> kNewNumbers = {{
    {0x10D40, 0x10D49},
    {0x116D0, 0x116E3},
    {0x11BF0, 0x11BF9},
    {0x16130, 0x16139},
    {0x16D70, 0x16D79},
    {0x1CCF0, 0x1CCF9},
    {0x1E5F1, 0x1E5FA},
}};

struct CaseRange {
  char32_t first;
  char32_t last;
  int32_t to_lower;  // added to a character of the range
};

// Upper case assigned by Unicode 16.0 and 17.0, and letters that got a lower case there.
constexpr std::array<CaseRange, 10> kNewUpperCase = {{
    {0x1C89, 0x1C89, 1},
    {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CC, 1},
    {0xA7CE, 0xA7CE, 1},
    {0xA7D2, 0xA7D2, 1},
    {0xA7D4, 0xA7D4, 1},
    {0xA7DA, 0xA7DA, 1},
    {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 0x20},
    {0x16EA0, 0x16EB8, 0x1B},
}};

bool is_among(std::span<const CharacterRange> ranges, char32_t c) {
  return std::ranges::any_of(ranges, [c](const CharacterRange& r) { return r.first <= c && c <= r.last; });
}

// A newer ICU knows characters that the reference does not.
bool is_newer_than(char32_t c, uint8_t unicode_major) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] > unicode_major;
}

void append_lower_case(std::u32string& out, char32_t c) {
  if (c < 0x80) {
    out += c >= 'A' && c <= 'Z' ? c + 0x20 : c;
  } else if (c == 0x130) {  // İ, the one character whose lower case is two
    out += U"i\u0307";
  } else {
    const auto* range =
        std::ranges::find_if(kNewUpperCase, [c](const CaseRange& r) { return r.first <= c && c <= r.last; });
    if (range != kNewUpperCase.end())
      out += static_cast<char32_t>(static_cast<int32_t>(c) + range->to_lower);
    else
      out += is_newer_than(c, 17) ? c : static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
  }
}

std::u32string to_utf32(const icu::UnicodeString& text) {
  std::u32string out;
  out.reserve(static_cast<size_t>(text.length()));
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1))
    out += static_cast<char32_t>(text.char32At(i));
  return out;
}

icu::UnicodeString to_utf16(std::u32string_view text) {
  static_assert(sizeof(char32_t) == sizeof(UChar32));
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()),
                                       static_cast<int32_t>(text.size()));
}

void verify_icu(UErrorCode status) {
  if (U_FAILURE(status))
    throw Error(ExitCode::kInternal, {.what = "ICU, the Unicode library, failed",
                                      .seen = u_errorName(status),
                                      .advice = "install libicu72 again, its data file may be missing"});
}

}  // namespace

CharacterClass character_class(char32_t c) {
  const auto point = static_cast<UChar32>(c);
  if (u_isUWhiteSpace(point)) return CharacterClass::kSpace;
  if (c >= 0x80 && is_newer_than(c, 16)) return CharacterClass::kOther;
  const uint32_t category = U_GET_GC_MASK(point);
  if ((category & U_GC_L_MASK) || is_among(kNewLetters, c)) return CharacterClass::kLetter;
  if ((category & U_GC_N_MASK) || is_among(kNewNumbers, c)) return CharacterClass::kNumber;
  return CharacterClass::kOther;
}

std::u32string decode_utf8(std::string_view text) {
  return to_utf32(
      icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size()))));
}

std::string encode_utf8(std::u32string_view text) {
  std::string out;
  return to_utf16(text).toUTF8String(out);
}

CaptionNormalizer::CaptionNormalizer() {
  UErrorCode status = U_ZERO_ERROR;
  auto composable = std::make_unique<icu::UnicodeSet>(icu::UnicodeString(u"[:age=9.0:]"), status);
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(status);
  verify_icu(status);
  composable->freeze();
  composable_ = std::move(composable);
  nfc_ = std::make_unique<const icu::FilteredNormalizer2>(*nfc, *composable_);
}

std::u32string CaptionNormalizer::normalize(std::u32string_view text) const {
  UErrorCode status = U_ZERO_ERROR;
  const std::u32string composed = to_utf32(nfc_->normalize(to_utf16(text), status));
  verify_icu(status);
  std::u32string out;
  out.reserve(composed.size());
  for (const char32_t c : composed) {
    if (character_class(c) != CharacterClass::kSpace)
      append_lower_case(out, c);
    else if (out.empty() || out.back() != U' ')
      out += U' ';
  }
  return out;
}

}  // namespace sdlora::model
