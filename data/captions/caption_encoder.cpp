#include "data/captions/caption_encoder.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace sdlora::data {

CaptionEncoder::CaptionEncoder(const model::ModelSource& model, at::Device device, at::ScalarType dtype)
    : device_(device),
      tokenizer_(model.load_tokenizer()),
      encoder_(model.load_text_encoder({.device = device_, .dtype = dtype})) {}

at::Tensor CaptionEncoder::encode(const std::string& caption) const {
  const c10::NoGradGuard no_gradients;
  const std::vector<int64_t> ids = tokenizer_.encode(caption);
  const at::Tensor batch = at::tensor(ids, at::kLong).unsqueeze(0).to(device_);  // [1, L]
  return encoder_.encode(batch)[0].to(at::kCPU, at::kFloat).contiguous();
}

}  // namespace sdlora::data
