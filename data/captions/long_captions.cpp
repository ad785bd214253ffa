#include "data/captions/long_captions.h"

#include <fmt/format.h>

#include "common/log.h"
#include "common/text_list.h"

namespace sdlora::data {
namespace {

constexpr size_t kCaptionsKept = 20;
constexpr size_t kCaptionsNamed = 5;
constexpr size_t kBytesShown = 120;

// Cuts between characters.
std::string shortened(std::string text) {
  if (text.size() <= kBytesShown) return text;
  size_t end = kBytesShown;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + " …";
}

}  // namespace

std::string words_lost(const model::ClipTokenizer& tokenizer, int64_t token_room,
                       const std::string& caption) {
  if (tokenizer.count_tokens(caption) <= token_room) return "";
  std::vector<size_t> word_ends;
  for (size_t byte = 1; byte <= caption.size(); ++byte)
    if ((byte == caption.size() || caption[byte] == ' ') && caption[byte - 1] != ' ')
      word_ends.push_back(byte);
  size_t fitting = 0;  // words that fit; found by halving
  size_t too_many = word_ends.size();
  while (too_many - fitting > 1) {
    const size_t middle = (fitting + too_many) / 2;
    const bool fits = tokenizer.count_tokens(caption.substr(0, word_ends[middle - 1])) <= token_room;
    (fits ? fitting : too_many) = middle;
  }
  const std::string lost = fitting == 0 ? caption : caption.substr(word_ends[fitting - 1]);
  return lost.substr(std::min(lost.size(), lost.find_first_not_of(' ')));
}

LongCaptions find_long_captions(const model::ClipTokenizer& tokenizer, int64_t token_room,
                                const std::vector<std::string>& captions,
                                const std::function<void()>& between_captions) {
  LongCaptions found;
  for (const std::string& caption : captions) {
    between_captions();
    if (tokenizer.count_tokens(caption) <= token_room) continue;
    ++found.count;
    if (found.first.size() < kCaptionsKept)
      found.first.emplace_back(shortened(caption), shortened(words_lost(tokenizer, token_room, caption)));
  }
  return found;
}

void warn_of(const LongCaptions& found, int64_t token_room, int64_t caption_count) {
  if (found.count == 0) return;
  std::vector<std::string> lines;
  for (const auto& [caption, lost] : found.first)
    if (lines.size() < kCaptionsNamed) lines.push_back(fmt::format("\"{}\" loses \"{}\"", caption, lost));
  const int64_t more = found.count - static_cast<int64_t>(lines.size());
  log::warning(fmt::format("{} of {} captions are longer than {} tokens and are cut:{}{}", found.count,
                           caption_count, token_room, indented_list(lines),
                           more > 0 ? fmt::format("\n    … and {} more", more) : ""));
}

}  // namespace sdlora::data
