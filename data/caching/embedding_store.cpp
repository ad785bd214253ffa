#include "data/caching/embedding_store.h"

#include <utility>

#include <ATen/ATen.h>

#include "common/error.h"

namespace sdlora::data {
namespace {

constexpr size_t kMostOpenFiles = 64;

}  // namespace

EmbeddingStore::EmbeddingStore(const CachePlan& plan) : plan_(plan), places_(plan.captions.size()) {
  for (size_t row = 0; row < plan.captions.size(); ++row) row_of_[plan.captions[row]] = row;
}

void EmbeddingStore::take_from(const std::filesystem::path& file) {
  const TextFile text(file);
  const TextContent& other = text.content();
  if (other.text_encoder_sha256 != plan_.settings.text_encoder_sha256 ||
      other.tokenizer_sha256 != plan_.settings.tokenizer_sha256 ||
      other.mixed_precision != plan_.settings.mixed_precision || other.reading != plan_.settings.reading)
    return;
  for (size_t row = 0; row < other.caption.size(); ++row) {
    const auto known = row_of_.find(other.caption[row]);
    if (known == row_of_.end() || places_[known->second] || unsaved_.contains(known->second)) continue;
    places_[known->second] = {.file = files_.size(), .row = static_cast<int64_t>(row)};
  }
  files_.push_back(file);
}

void EmbeddingStore::set(size_t row, const at::Tensor& embedding) {
  unsaved_[row] = embedding;
}

std::vector<size_t> EmbeddingStore::missing() const {
  std::vector<size_t> rows;
  for (size_t row = 0; row < places_.size(); ++row)
    if (!places_[row] && !unsaved_.contains(row)) rows.push_back(row);
  return rows;
}

at::Tensor EmbeddingStore::embedding_of(size_t row) {
  if (const auto in_memory = unsaved_.find(row); in_memory != unsaved_.end()) return in_memory->second;
  const Place place = places_[row].value();
  if (!open_.contains(place.file) && open_.size() == kMostOpenFiles) open_.clear();
  return open_.try_emplace(place.file, files_[place.file]).first->second.read(place.row);
}

TextContent EmbeddingStore::unsaved() {
  TextContent content = description();
  content.caption.clear();
  if (unsaved_.empty() || (!places_[0] && !unsaved_.contains(0))) return content;
  std::vector<at::Tensor> rows = {embedding_of(0)};
  content.caption.push_back(plan_.captions[0]);
  for (const auto& [row, embedding] : unsaved_) {
    if (row == 0) continue;
    rows.push_back(embedding);
    content.caption.push_back(plan_.captions[row]);
  }
  content.embedding = at::stack(rows);
  return content;
}

void EmbeddingStore::forget_unsaved(const std::filesystem::path& file) {
  const std::map<size_t, at::Tensor> saved = std::exchange(unsaved_, {});
  try {
    take_from(file);
  } catch (const Error&) {
    unsaved_ = saved;
    throw;
  }
}

TextContent EmbeddingStore::description() const {
  return {.text_encoder_sha256 = plan_.settings.text_encoder_sha256,
          .tokenizer_sha256 = plan_.settings.tokenizer_sha256,
          .inputs_sha256 = plan_.text_inputs_sha256,
          .mixed_precision = plan_.settings.mixed_precision,
          .reading = plan_.settings.reading,
          .embedding = {},
          .caption = plan_.captions};
}

}  // namespace sdlora::data
