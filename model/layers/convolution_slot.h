// The seam where LoRA goes into convolutions, as projection.h is that of linear maps.
#pragma once

#include <memory>

#include "model/layers/convolution.h"

namespace sdlora::model {

class AdaptableConvolution {
 public:
  virtual ~AdaptableConvolution() = default;

  // [B, in, h, w] → [B, out, h', w']
  virtual at::Tensor forward(const at::Tensor& x) const = 0;

  virtual const Convolution& base() const = 0;  // the frozen layer
};

class FrozenConvolution final : public AdaptableConvolution {
 public:
  explicit FrozenConvolution(Convolution convolution) : convolution_(std::move(convolution)) {}

  at::Tensor forward(const at::Tensor& x) const override { return convolution_.forward(x); }

  const Convolution& base() const override { return convolution_; }

 private:
  Convolution convolution_;
};

using ConvolutionSlot = std::unique_ptr<AdaptableConvolution>;

template <typename... Arguments>
ConvolutionSlot make_convolution(const WeightSource& weights, Arguments... arguments) {
  return std::make_unique<FrozenConvolution>(Convolution(weights, arguments...));
}

}  // namespace sdlora::model
