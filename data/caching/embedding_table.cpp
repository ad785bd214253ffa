#include "data/caching/embedding_table.h"

#include <algorithm>
#include <unordered_map>

#include <ATen/ATen.h>

namespace sdlora::data {

void EmbeddingTable::take_from(const TextContent& other) {
  if (other.text_encoder_sha256 != plan_.settings.text_encoder_sha256 ||
      other.tokenizer_sha256 != plan_.settings.tokenizer_sha256 ||
      other.mixed_precision != plan_.settings.mixed_precision || other.reading != plan_.settings.reading)
    return;
  std::unordered_map<std::string, int64_t> row_of;
  for (size_t row = 0; row < other.caption.size(); ++row)
    row_of[other.caption[row]] = static_cast<int64_t>(row);
  for (size_t row = 0; row < is_known_.size(); ++row)
    if (const auto known = row_of.find(plan_.captions[row]); known != row_of.end() && !is_known_[row])
      set(row, other.embedding[known->second]);
}

void EmbeddingTable::set(size_t row, const at::Tensor& embedding) {
  const auto caption_count = static_cast<int64_t>(is_known_.size());
  if (!rows_.defined()) rows_ = at::empty({caption_count, embedding.size(0), embedding.size(1)}, at::kFloat);
  rows_[static_cast<int64_t>(row)].copy_(embedding);
  is_known_[row] = true;
}

std::vector<size_t> EmbeddingTable::missing() const {
  std::vector<size_t> rows;
  for (size_t row = 0; row < is_known_.size(); ++row)
    if (!is_known_[row]) rows.push_back(row);
  return rows;
}

TextContent EmbeddingTable::content() const {
  TextContent content{.text_encoder_sha256 = plan_.settings.text_encoder_sha256,
                      .tokenizer_sha256 = plan_.settings.tokenizer_sha256,
                      .inputs_sha256 = plan_.text_inputs_sha256,
                      .mixed_precision = plan_.settings.mixed_precision,
                      .reading = plan_.settings.reading,
                      .embedding = {},
                      .caption = {}};
  if (is_known_.empty() || !is_known_[0]) return content;
  std::vector<int64_t> known;
  for (size_t row = 0; row < is_known_.size(); ++row) {
    if (!is_known_[row]) continue;
    known.push_back(static_cast<int64_t>(row));
    content.caption.push_back(plan_.captions[row]);
  }
  const auto count = static_cast<int64_t>(known.size());
  const bool is_beginning = known.back() == count - 1;
  content.embedding =
      is_beginning ? rows_.narrow(0, 0, count) : rows_.index_select(0, at::tensor(known, at::kLong));
  return content;
}

}  // namespace sdlora::data
