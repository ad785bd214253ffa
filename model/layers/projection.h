// The seam where LoRA goes in: a linear map that the UNet calls without knowing whether an adapter is
// attached.
#pragma once

#include <memory>

#include "model/layers/linear.h"

namespace sdlora::model {

class Projection {
 public:
  virtual ~Projection() = default;

  // [..., in] → [..., out]
  virtual at::Tensor forward(const at::Tensor& x) const = 0;

  virtual const Linear& base() const = 0;   // the frozen layer
  virtual bool is_convolution() const = 0;  // 1×1: its weights are stored as [out, in, 1, 1]

  int64_t in_features() const { return base().weight.size(1); }

  int64_t out_features() const { return base().weight.size(0); }
};

// The frozen layer of the base model.
class FrozenProjection final : public Projection {
 public:
  FrozenProjection(Linear linear, bool is_convolution)
      : linear_(std::move(linear)), is_convolution_(is_convolution) {}

  at::Tensor forward(const at::Tensor& x) const override { return linear_.forward(x); }

  const Linear& base() const override { return linear_; }

  bool is_convolution() const override { return is_convolution_; }

 private:
  Linear linear_;
  bool is_convolution_;
};

using ProjectionSlot = std::unique_ptr<Projection>;

inline ProjectionSlot make_projection(const WeightSource& weights, int64_t in, int64_t out,
                                      bool has_bias = true, bool is_convolution = false) {
  return std::make_unique<FrozenProjection>(Linear(weights, in, out, has_bias), is_convolution);
}

}  // namespace sdlora::model
