// All of A and B in the type that the model computes in, rounded once per change and not once per use: in 16
// bits one operation per step in place of four per module.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::lora {

class RoundedParameters {
 public:
  // parameters [P] f32, of which A and B are views.
  explicit RoundedParameters(const at::Tensor& parameters) : parameters_(parameters.detach()) {}

  // `view` (of the parameters) in `type`, with the values that the parameters have now; itself in f32. One
  // 16-bit type only.
  at::Tensor of(const at::Tensor& view, at::ScalarType type);

  // Rounds what has changed, before a CUDA graph is replayed that reads the copy. Nothing when there is none.
  void refresh();

 private:
  at::Tensor parameters_;  // [P] f32
  at::Tensor rounded_;     // [P], undefined until it is asked for
  int64_t version_ = -1;   // of the parameters in `rounded_`, as autograd counts changes in place
};

}  // namespace sdlora::lora
