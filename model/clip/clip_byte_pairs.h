// Byte-pair encoding (Sennrich et al. 2016) over bytes, with an end-of-word mark, as CLIP has it: the
// lowest-ranked pair is merged first, the leftmost of equals, until no neighbours make a known pair.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sdlora::model {

using Vocabulary = std::unordered_map<std::string, int64_t>;
using MergeList = std::vector<std::pair<std::string, std::string>>;  // by rank

class BytePairEncoder {
 public:
  // `unknown_id` stands for a byte that the vocabulary lacks. Throws Error(kBadData) for a merge of tokens,
  // or into a token, that the vocabulary lacks; it names `merges_file`.
  BytePairEncoder(const Vocabulary& vocabulary, const MergeList& merges, int64_t unknown_id,
                  const std::filesystem::path& merges_file);

  // Appends the tokens of one word of UTF-8. n log n in its length.
  void encode_word(std::string_view word, std::vector<int64_t>& token_ids) const;

 private:
  struct Merge {
    uint32_t rank;
    uint32_t token_id;
  };

  const Merge* find_merge(int64_t left_id, int64_t right_id) const;

  std::array<int64_t, 256> byte_ids_;
  std::array<int64_t, 256> last_byte_ids_;      // with the end-of-word mark
  std::unordered_map<uint64_t, Merge> merges_;  // by left_id << 32 | right_id
};

}  // namespace sdlora::model
