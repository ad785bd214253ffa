#include "lora/rounded_parameters.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace sdlora::lora {

at::Tensor RoundedParameters::of(const at::Tensor& view, at::ScalarType type) {
  if (type == parameters_.scalar_type()) return view.detach();
  if (!rounded_.defined()) rounded_ = at::empty_like(parameters_, type);
  TORCH_CHECK(rounded_.scalar_type() == type, "the parameters are rounded to ", rounded_.scalar_type(),
              " already, and may be read there by a CUDA graph");
  refresh();
  return rounded_.as_strided(view.sizes(), view.strides(),
                             view.storage_offset() - parameters_.storage_offset());
}

void RoundedParameters::refresh() {
  const int64_t version = static_cast<int64_t>(parameters_._version());
  if (!rounded_.defined() || version == version_) return;
  const c10::NoGradGuard no_gradients;
  rounded_.copy_(parameters_);
  version_ = version;
}

}  // namespace sdlora::lora
