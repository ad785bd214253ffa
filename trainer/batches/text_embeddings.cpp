#include "trainer/batches/text_embeddings.h"

namespace sdlora::trainer {

TextEmbeddings::TextEmbeddings(model::ClipTextReader encoder, size_t most_remembered)
    : encoder_(std::move(encoder)), most_remembered_(most_remembered) {}

at::Tensor TextEmbeddings::of(const std::string& text) {
  if (const auto known = by_text_.find(text); known != by_text_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return known->second->second;
  }
  entries_.emplace_front(text, encoder_.read(text));
  by_text_[text] = entries_.begin();
  ++encoded_count_;
  if (entries_.size() > most_remembered_) {
    by_text_.erase(entries_.back().first);
    entries_.pop_back();
  }
  return entries_.front().second;
}

}  // namespace sdlora::trainer
