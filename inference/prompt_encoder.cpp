#include "inference/prompt_encoder.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "common/log.h"
#include "data/captions/long_captions.h"

namespace sdlora::inference {

PromptEncoder::PromptEncoder(const model::ModelSource& model, at::Device device,
                             const model::WeightEdits* edits)
    : tokenizer_(model.load_tokenizer()),
      text_encoder_(model.load_text_encoder({.device = device, .dtype = at::kFloat}, edits)),
      device_(device) {
  if (!tokenizer_.doubt().empty()) log::warning(tokenizer_.doubt());
}

const at::Tensor& PromptEncoder::encode(const std::string& prompt) {
  const auto known = encoded_.find(prompt);
  if (known != encoded_.end()) return known->second;
  const c10::NoGradGuard no_gradients;
  const std::string lost = data::words_lost(tokenizer_, prompt);
  if (!lost.empty())
    log::warning(fmt::format("a prompt is longer than CLIP's {} tokens and is cut before \"{}\"",
                             tokenizer_.max_length(), lost));
  const at::Tensor ids = at::tensor(tokenizer_.encode(prompt), at::kLong).unsqueeze(0).to(device_);  // [1, L]
  return encoded_[prompt] = text_encoder_.encode(ids)[0].cpu();
}

}  // namespace sdlora::inference
