// Prompts to what the UNet attends to. Holds tokenizer and text encoder only while it lives.
#pragma once

#include <map>
#include <string>

#include "model/model_source.h"

namespace sdlora::inference {

class PromptEncoder {
 public:
  // In fp32, with `edits` of the weights where there are any.
  PromptEncoder(const model::ModelSource& model, const model::ClipReading& reading, at::Device device,
                const model::WeightEdits* edits = nullptr);

  // [L, C] f32 on the CPU. A prompt longer than what is read is cut, with a warning
  // that names the words lost; each prompt is encoded once.
  const at::Tensor& encode(const std::string& prompt);

 private:
  model::ClipTextReader reader_;
  int64_t token_room_;
  std::map<std::string, at::Tensor> encoded_;
};

}  // namespace sdlora::inference
