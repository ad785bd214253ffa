// Captions to embeddings, by the model's text encoder.
#pragma once

#include <string>
#include <vector>

#include "data/caching/cache_options.h"
#include "model/clip/clip_text_encoder.h"
#include "model/clip/clip_tokenizer.h"

namespace sdlora::data {

class CaptionEncoder {
 public:
  // Loads the weights.
  explicit CaptionEncoder(const CacheOptions& options);

  // [L, C]
  std::vector<int64_t> shape() const { return {tokenizer_.max_length(), encoder_.config().hidden_size}; }

  // [L, C] f32 on the CPU; any number of threads at a time
  at::Tensor encode(const std::string& caption) const;

 private:
  at::Device device_;
  model::ClipTokenizer tokenizer_;
  model::ClipTextEncoder encoder_;
};

}  // namespace sdlora::data
