// Prompts to what the UNet attends to. Holds tokenizer and text encoder only while it lives.
#pragma once

#include <map>
#include <string>

#include "model/model_source.h"

namespace sdlora::inference {

class PromptEncoder {
 public:
  // In fp32, with `edits` of the weights where there are any.
  PromptEncoder(const model::ModelSource& model, at::Device device,
                const model::WeightEdits* edits = nullptr);

  // [L, C] f32 on the CPU, the last hidden state. A prompt longer than CLIP's window is cut, with a warning
  // that names the words lost; each prompt is encoded once.
  const at::Tensor& encode(const std::string& prompt);

 private:
  model::ClipTokenizer tokenizer_;
  model::ClipTextEncoder text_encoder_;
  at::Device device_;
  std::map<std::string, at::Tensor> encoded_;
};

}  // namespace sdlora::inference
