// CLIP's byte-level BPE tokenizer (transformers CLIPTokenizer, formerly CLIPTokenizerFast; Radford et al.
// 2021): added tokens, NFC, white space collapsed, lower case, the split pattern with Unicode classes,
// merges, 77 tokens with start and end markers, truncated or padded. The same ids as transformers 5.23 with
// tokenizers 0.23, for every code point.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sdlora::model {

struct ClipTokenizerFiles;

// What a text encoder has room for.
struct EncoderRoom {
  int64_t position_count;   // tokens of a caption
  int64_t embedding_count;  // different tokens
};

class ClipTokenizer {
 public:
  // `directory` holds vocab.json and merges.txt, or tokenizer.json; special tokens, padding and length come
  // from tokenizer_config.json and special_tokens_map.json where they are (clip_tokenizer_files.h has the
  // rules). With `room`, no caption is longer than the encoder takes, and doubt() says so where the files
  // want it longer. Throws Error(kBadData) naming the file, also for a special token beyond `room`.
  explicit ClipTokenizer(const std::filesystem::path& directory, const std::optional<EncoderRoom>& room = {});
  // `where`: what messages name.
  ClipTokenizer(const ClipTokenizerFiles& files, const std::filesystem::path& where,
                const std::optional<EncoderRoom>& room = {});
  ~ClipTokenizer();
  ClipTokenizer(ClipTokenizer&&) noexcept;

  // UTF-8 text to exactly max_length() ids: start, tokens (cut to fit), end, padding. Ill-formed UTF-8 is
  // read as U+FFFD, as Python's decode(errors="replace") does; every other character counts, NUL too. Safe to
  // call from many threads. A megabyte takes a fraction of a second. Throws Error(kBadData) for more than 256
  // MiB, and for a token that the text encoder has no embedding of (a word of a textual inversion whose row
  // is missing).
  std::vector<int64_t> encode(std::string_view text) const { return encode(text, max_length() - 2); }

  // The same with room for `token_room` tokens between start and end, whatever max_length() says.
  std::vector<int64_t> encode(std::string_view text, int64_t token_room) const;

  // How many tokens `text` has, without start, end and cut: more than max_length() - 2 means words are lost.
  // Throws as encode().
  int64_t count_tokens(std::string_view text) const;

  int64_t max_length() const;  // 77 unless tokenizer_config.json says another length

  // Whether what follows the end marker are more of them.
  bool pads_with_end() const;

  const std::string& doubt() const;  // a warning about the files, for the user; empty: none

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace sdlora::model
