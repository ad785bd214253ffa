// What is made of a model's weights when they are loaded, before they are converted or prepared: an adapter.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace sdlora::model {

class WeightEdits {
 public:
  virtual ~WeightEdits() = default;

  // `name`: of a weight or bias in the names of diffusers and transformers, "conv_in.weight".
  virtual bool touches(const std::string& name) const = 0;

  // W' in place of `weight`, W: f32 on the CPU, of the same shape. Only for names that it touches.
  virtual at::Tensor edited(const std::string& name, const at::Tensor& weight) const = 0;
};

}  // namespace sdlora::model
