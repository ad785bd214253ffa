#include "model/clip/clip_byte_pairs.h"

#include <functional>
#include <queue>

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::model {
namespace {

constexpr std::string_view kEndOfWord = "</w>";

// The printable character that stands for each byte in the vocabulary's spelling, as UTF-8: itself where it
// is printable Latin-1, else the next from U+0100 (Radford et al. 2019, GPT-2's bytes_to_unicode).
std::array<std::string, 256> byte_letters() {
  std::array<std::string, 256> letters;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool is_printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const uint32_t c = is_printable ? byte : next++;
    if (c < 0x80)
      letters[byte] = {static_cast<char>(c)};
    else
      letters[byte] = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  }
  return letters;
}

int64_t id_or(const Vocabulary& vocabulary, const std::string& token, int64_t otherwise) {
  const auto entry = vocabulary.find(token);
  return entry == vocabulary.end() ? otherwise : entry->second;
}

uint64_t pair_key(int64_t left_id, int64_t right_id) {
  return static_cast<uint64_t>(left_id) << 32 | static_cast<uint64_t>(right_id);
}

// One symbol of the word being merged, in a doubly linked list.
struct Symbol {
  int64_t token_id;
  int32_t previous;  // -1: none
  int32_t next;      // -1: none
  bool is_merged_away = false;
};

// Of the merges that may be done, the lowest rank comes first, then the leftmost.
struct Candidate {
  uint32_t rank;
  int32_t left;  // index of the left symbol
  uint32_t token_id;

  bool operator>(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

}  // namespace

BytePairEncoder::BytePairEncoder(const Vocabulary& vocabulary, const MergeList& merges, int64_t unknown_id,
                                 const std::filesystem::path& merges_file) {
  const std::array<std::string, 256> letters = byte_letters();
  for (size_t byte = 0; byte < letters.size(); ++byte) {
    byte_ids_[byte] = id_or(vocabulary, letters[byte], unknown_id);
    last_byte_ids_[byte] = id_or(vocabulary, letters[byte] + std::string(kEndOfWord), unknown_id);
  }
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const int64_t left_id = id_or(vocabulary, left, -1), right_id = id_or(vocabulary, right, -1);
    const int64_t merged_id = id_or(vocabulary, left + right, -1);
    if (left_id < 0 || right_id < 0 || merged_id < 0)
      throw Error(ExitCode::kBadData, {.what = "the tokenizer's merges do not belong to its vocabulary",
                                       .expected = "tokens of the vocabulary",
                                       .seen = fmt::format("merge {}: {} {}", rank + 1, left, right),
                                       .where = merges_file.string(),
                                       .advice = "copy the model\'s tokenizer folder again"});
    merges_.insert_or_assign(pair_key(left_id, right_id),
                             Merge{static_cast<uint32_t>(rank), static_cast<uint32_t>(merged_id)});
  }
}

const BytePairEncoder::Merge* BytePairEncoder::find_merge(int64_t left_id, int64_t right_id) const {
  const auto entry = merges_.find(pair_key(left_id, right_id));
  return entry == merges_.end() ? nullptr : &entry->second;
}

void BytePairEncoder::encode_word(std::string_view word, std::vector<int64_t>& token_ids) const {
  if (word.empty()) return;
  const auto count = static_cast<int32_t>(word.size());
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (int32_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint8_t>(word[static_cast<size_t>(i)]);
    const bool is_last = i + 1 == count;
    symbols.push_back({is_last ? last_byte_ids_[byte] : byte_ids_[byte], i - 1, is_last ? -1 : i + 1});
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto consider = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    const Merge* merge = find_merge(symbols[left].token_id, symbols[symbols[left].next].token_id);
    if (merge) candidates.push({merge->rank, left, merge->token_id});
  };
  for (int32_t i = 0; i < count; ++i) consider(i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& left = symbols[best.left];
    if (left.is_merged_away || left.next < 0) continue;
    Symbol& right = symbols[left.next];
    const Merge* merge = find_merge(left.token_id, right.token_id);
    if (!merge || merge->token_id != best.token_id) continue;  // a neighbour has changed since
    left.token_id = best.token_id;
    left.next = right.next;
    right.is_merged_away = true;
    if (left.next >= 0) symbols[left.next].previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  for (const Symbol& symbol : symbols)
    if (!symbol.is_merged_away) token_ids.push_back(symbol.token_id);
}

}  // namespace sdlora::model
