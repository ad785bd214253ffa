// Embeddings of texts that change from sample to sample: encoded when they are first wanted, and remembered.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

#include "model/clip/clip_text_reader.h"

namespace sdlora::trainer {

class TextEmbeddings {
 public:
  static constexpr size_t kMostRemembered = 1024;  // 231 MiB of SD 1.5's, of 225 tokens 681

  // `most_remembered`: at least one.
  explicit TextEmbeddings(model::ClipTextReader encoder, size_t most_remembered = kMostRemembered);
  TextEmbeddings(const TextEmbeddings&) = delete;
  TextEmbeddings& operator=(const TextEmbeddings&) = delete;

  // [L, C] f32 on the CPU. One text a forward, so that its bytes do not depend on its neighbours.
  at::Tensor of(const std::string& text);

  size_t encoded_count() const { return encoded_count_; }

 private:
  using Entry = std::pair<std::string, at::Tensor>;

  model::ClipTextReader encoder_;
  size_t most_remembered_;
  size_t encoded_count_ = 0;  // ever
  std::list<Entry> entries_;  // the one asked for last first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_text_;
};

}  // namespace sdlora::trainer
