#include "model/clip/openai_clip_tokenizer.h"

#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

#include "model/clip/clip_merges.h"
#include "model/clip/clip_special_tokens.h"

namespace sdlora::model {
namespace {

constexpr const char* kStart = "<|startoftext|>";
constexpr const char* kEnd = "<|endoftext|>";
constexpr const char* kWordEnd = "</w>";

std::string utf8_of(int code_point) {
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xC0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 0x3F))};
}

// A character for each byte, in the order of the vocabulary: those that can be seen stand for themselves, the
// others for 256, 257 … (Radford et al. 2019, the byte-level alphabet of GPT-2).
std::vector<std::string> byte_alphabet() {
  const auto can_be_seen = [](int byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  };
  std::vector<std::string> alphabet;
  alphabet.reserve(256);
  for (int byte = 0; byte < 256; ++byte)
    if (can_be_seen(byte)) alphabet.push_back(utf8_of(byte));
  for (int byte = 0, next = 256; byte < 256; ++byte)
    if (!can_be_seen(byte)) alphabet.push_back(utf8_of(next++));
  return alphabet;
}

MergeList read_merges(std::string_view text) {
  MergeList merges;
  merges.reserve(static_cast<size_t>(std::ranges::count(text, '\n')));
  text.remove_prefix(text.find('\n') + 1);  // "#version: 0.2"
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const size_t space = line.find(' ');
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    text.remove_prefix(line.size() + 1);
  }
  return merges;
}

// In the order of ids: bytes, bytes that end a word, each merge joined, the two markers.
Vocabulary vocabulary_of(const MergeList& merges) {
  Vocabulary vocabulary;
  const auto add = [&vocabulary](std::string token) {
    vocabulary.emplace(std::move(token), static_cast<int64_t>(vocabulary.size()));
  };
  const std::vector<std::string> alphabet = byte_alphabet();
  for (const std::string& character : alphabet) add(character);
  for (const std::string& character : alphabet) add(character + kWordEnd);
  for (const auto& [left, right] : merges) add(left + right);
  add(kStart);
  add(kEnd);
  return vocabulary;
}

}  // namespace

ClipTokenizerFiles openai_clip_tokenizer(ClipPadding padding) {
  ClipTokenizerFiles files;
  files.merges = read_merges(clip_merges_txt());
  files.vocabulary = vocabulary_of(files.merges);
  files.merges_file = "CLIP's merges, as they come with this program";
  const auto marker = [](const char* content) {
    return nlohmann::json{{"content", content}, {"normalized", true}};
  };
  const nlohmann::json map{{"bos_token", marker(kStart)},
                           {"eos_token", marker(kEnd)},
                           {"unk_token", marker(kEnd)},
                           {"pad_token", padding == ClipPadding::kEndMarker ? kEnd : "!"}};
  files.declare({.config = nlohmann::json::object(),
                 .special_tokens_map = map,
                 .added_tokens = nlohmann::json::object(),
                 .tokenizer = nlohmann::json::object()},
                files.merges_file);
  return files;
}

}  // namespace sdlora::model
