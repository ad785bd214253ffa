#include "model/clip/clip_tokenizer.h"

#include <fmt/format.h>

#include "common/error.h"
#include "model/clip/clip_added_tokens.h"
#include "model/clip/clip_byte_pairs.h"
#include "model/clip/clip_tokenizer_files.h"
#include "model/clip/clip_unicode.h"
#include "model/clip/clip_words.h"

namespace sdlora::model {
namespace {

// ICU counts UTF-16 units in 32 bits; no caption comes near.
constexpr size_t kMaxTextBytes = size_t{1} << 28;

constexpr size_t kNoLimit = SIZE_MAX;

}  // namespace

class ClipTokenizer::Implementation {
 public:
  explicit Implementation(const ClipTokenizerFiles& files)
      : start_id_(files.start_id),
        end_id_(files.end_id),
        padding_id_(files.padding_id),
        max_length_(files.max_length),
        raw_tokens_(files.added_tokens, false, {}),
        normalized_tokens_(files.added_tokens, true,
                           [this](std::u32string_view text) { return normalizer_.normalize(text); }),
        encoder_(files.vocabulary, files.merges, files.unknown_id, files.merges_file) {}

  // At least the first `enough` tokens of `text`; what lies behind them is not looked at word by word.
  std::vector<int64_t> tokens(std::string_view text, size_t enough) const {
    if (text.size() > kMaxTextBytes)
      throw Error(ExitCode::kBadData, {.what = "a caption is too long",
                                       .expected = fmt::format("at most {} bytes", kMaxTextBytes),
                                       .seen = fmt::format("{} bytes", text.size())});
    std::vector<int64_t> token_ids;
    const std::u32string raw = decode_utf8(text);
    for (const TextPiece& raw_piece : raw_tokens_.split(raw)) {
      if (raw_piece.token_id != TextPiece::kNoToken) {
        token_ids.push_back(raw_piece.token_id);
        continue;
      }
      const std::u32string normalized = normalizer_.normalize(raw_piece.text);
      for (const TextPiece& piece : normalized_tokens_.split(normalized)) {
        if (piece.token_id != TextPiece::kNoToken)
          token_ids.push_back(piece.token_id);
        else
          append_words(piece.text, enough, token_ids);
      }
      if (token_ids.size() >= enough) break;
    }
    return token_ids;
  }

  std::vector<int64_t> encode(std::string_view text) const {
    const auto length = static_cast<size_t>(max_length_);
    std::vector<int64_t> token_ids = tokens(text, length - 2);
    token_ids.resize(std::min(token_ids.size(), length - 2));
    token_ids.insert(token_ids.begin(), start_id_);
    token_ids.push_back(end_id_);
    token_ids.resize(length, padding_id_);
    return token_ids;
  }

  int64_t max_length() const { return max_length_; }

 private:
  void append_words(std::u32string_view text, size_t enough, std::vector<int64_t>& token_ids) const {
    for (const std::u32string_view word : split_words(text)) {
      if (token_ids.size() >= enough) return;
      encoder_.encode_word(encode_utf8(word), token_ids);
    }
  }

  int64_t start_id_, end_id_, padding_id_, max_length_;
  CaptionNormalizer normalizer_;
  AddedTokenMatcher raw_tokens_;         // looked for in the caption as it is
  AddedTokenMatcher normalized_tokens_;  // looked for in the normalised caption
  BytePairEncoder encoder_;
};

ClipTokenizer::ClipTokenizer(const std::filesystem::path& directory)
    : ClipTokenizer(ClipTokenizerFiles::read(directory)) {}

ClipTokenizer::ClipTokenizer(const ClipTokenizerFiles& files)
    : implementation_(std::make_unique<Implementation>(files)) {}

ClipTokenizer::~ClipTokenizer() = default;
ClipTokenizer::ClipTokenizer(ClipTokenizer&&) noexcept = default;

std::vector<int64_t> ClipTokenizer::encode(std::string_view text) const {
  return implementation_->encode(text);
}

int64_t ClipTokenizer::count_tokens(std::string_view text) const {
  return static_cast<int64_t>(implementation_->tokens(text, kNoLimit).size());
}

int64_t ClipTokenizer::max_length() const {
  return implementation_->max_length();
}

}  // namespace sdlora::model
