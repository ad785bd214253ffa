#include "model/clip/clip_tokenizer.h"

#include <algorithm>

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
  Implementation(const ClipTokenizerFiles& files, std::filesystem::path directory,
                 const std::optional<EncoderRoom>& room)
      : start_id_(files.start_id),
        end_id_(files.end_id),
        padding_id_(files.padding_id),
        max_length_(room ? std::min(files.max_length, room->position_count) : files.max_length),
        embedding_count_(room ? room->embedding_count : INT64_MAX),
        directory_(std::move(directory)),
        added_tokens_(files.added_tokens),
        raw_tokens_(files.added_tokens, false, {}),
        normalized_tokens_(files.added_tokens, true,
                           [this](std::u32string_view text) { return normalizer_.normalize(text); }),
        encoder_(files.vocabulary, files.merges, files.unknown_id, files.merges_file) {
    if (max_length_ < files.max_length)
      doubt_ = fmt::format(
          "{}: captions of up to {} tokens are asked for, but the model's text encoder takes {}: longer ones "
          "are cut",
          directory_.string(), files.max_length, max_length_);
    require_embeddings({start_id_, end_id_, padding_id_, files.unknown_id});
  }

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
    require_embeddings(token_ids);
    return token_ids;
  }

  std::vector<int64_t> encode(std::string_view text, size_t token_room) const {
    std::vector<int64_t> token_ids = tokens(text, token_room);
    token_ids.resize(std::min(token_ids.size(), token_room));
    token_ids.insert(token_ids.begin(), start_id_);
    token_ids.push_back(end_id_);
    token_ids.resize(token_room + 2, padding_id_);
    return token_ids;
  }

  bool pads_with_end() const { return padding_id_ == end_id_; }

  int64_t max_length() const { return max_length_; }

  const std::string& doubt() const { return doubt_; }

 private:
  void require_embeddings(const std::vector<int64_t>& token_ids) const {
    for (const int64_t id : token_ids) {
      if (id < embedding_count_) continue;
      const auto added = std::ranges::find(added_tokens_, id, &AddedToken::id);
      const std::string word = added == added_tokens_.end() ? "" : " of the word \"" + added->content + "\"";
      throw Error(
          ExitCode::kBadData,
          {.what = "the model's text encoder has no embedding of a token",
           .expected = fmt::format("tokens 0 … {}, as the text encoder's config says", embedding_count_ - 1),
           .seen = fmt::format("token {}{}", id, word),
           .where = directory_.string(),
           .advice = added == added_tokens_.end()
                         ? "use the tokenizer and the text encoder of one model"
                         : "leave the word out, or copy the text encoder that was saved with this "
                           "tokenizer"});
    }
  }

  void append_words(std::u32string_view text, size_t enough, std::vector<int64_t>& token_ids) const {
    for (const std::u32string_view word : split_words(text)) {
      if (token_ids.size() >= enough) return;
      encoder_.encode_word(encode_utf8(word), token_ids);
    }
  }

  int64_t start_id_, end_id_, padding_id_, max_length_, embedding_count_;
  std::filesystem::path directory_;
  std::string doubt_;
  std::vector<AddedToken> added_tokens_;
  CaptionNormalizer normalizer_;
  AddedTokenMatcher raw_tokens_;         // looked for in the caption as it is
  AddedTokenMatcher normalized_tokens_;  // looked for in the normalised caption
  BytePairEncoder encoder_;
};

ClipTokenizer::ClipTokenizer(const std::filesystem::path& directory, const std::optional<EncoderRoom>& room)
    : ClipTokenizer(ClipTokenizerFiles::read(directory), directory, room) {}

ClipTokenizer::ClipTokenizer(const ClipTokenizerFiles& files, const std::filesystem::path& where,
                             const std::optional<EncoderRoom>& room)
    : implementation_(std::make_unique<Implementation>(files, where, room)) {}

ClipTokenizer::~ClipTokenizer() = default;
ClipTokenizer::ClipTokenizer(ClipTokenizer&&) noexcept = default;

std::vector<int64_t> ClipTokenizer::encode(std::string_view text, int64_t token_room) const {
  return implementation_->encode(text, static_cast<size_t>(token_room));
}

bool ClipTokenizer::pads_with_end() const {
  return implementation_->pads_with_end();
}

int64_t ClipTokenizer::count_tokens(std::string_view text) const {
  return static_cast<int64_t>(implementation_->tokens(text, kNoLimit).size());
}

int64_t ClipTokenizer::max_length() const {
  return implementation_->max_length();
}

const std::string& ClipTokenizer::doubt() const {
  return implementation_->doubt();
}

}  // namespace sdlora::model
