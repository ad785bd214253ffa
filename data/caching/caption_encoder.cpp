#include "data/caching/caption_encoder.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "model/model_source.h"

namespace sdlora::data {

CaptionEncoder::CaptionEncoder(const CacheOptions& options)
    : device_(options.device),
      tokenizer_(model::ModelSource(options.model).load_tokenizer()),
      encoder_(
          model::ModelSource(options.model).load_text_encoder({.device = device_, .dtype = at::kFloat})) {}

at::Tensor CaptionEncoder::encode(const std::string& caption) const {
  const c10::InferenceMode no_gradients;
  const std::vector<int64_t> ids = tokenizer_.encode(caption);
  const at::Tensor batch = at::tensor(ids, at::kLong).unsqueeze(0).to(device_);  // [1, L]
  return encoder_.encode(batch)[0].cpu().contiguous();
}

}  // namespace sdlora::data
