// Captions to embeddings, by the model's text encoder.
#pragma once

#include <string>
#include <vector>

#include "model/model_source.h"

namespace sdlora::data {

class CaptionEncoder {
 public:
  // Loads the weights; computes in `dtype`.
  CaptionEncoder(const model::ModelSource& model, at::Device device, at::ScalarType dtype);

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
