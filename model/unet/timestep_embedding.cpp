#include "model/unet/timestep_embedding.h"

#include <cmath>

namespace sdlora::model {

TimestepEmbedding::TimestepEmbedding(const WeightSource& weights, const UNetConfig& config)
    : sinusoid_channels_(config.levels.front().channels),
      flip_sin_to_cos_(config.flip_sin_to_cos),
      freq_shift_(config.freq_shift),
      linear1_(make_projection(weights.at("linear_1"), sinusoid_channels_, config.time_channels())),
      linear2_(make_projection(weights.at("linear_2"), config.time_channels(), config.time_channels())) {
  if (config.guidance_channels > 0)
    guidance_projection_ = weights.tensor("cond_proj.weight", {sinusoid_channels_, config.guidance_channels});
}

at::Tensor TimestepEmbedding::forward(const at::Tensor& timesteps, at::ScalarType dtype,
                                      const at::Tensor& guidance) const {
  constexpr double kMaxPeriod = 10000;
  const int64_t half = sinusoid_channels_ / 2;
  const auto options = at::TensorOptions(timesteps.device()).dtype(at::kFloat);
  const at::Tensor frequencies =  // [half]
      at::exp(
          at::arange(half, options).mul(-std::log(kMaxPeriod)).div(static_cast<double>(half) - freq_shift_));
  const at::Tensor angles = timesteps.to(at::kFloat).unsqueeze(1) * frequencies.unsqueeze(0);  // [B, half]
  at::Tensor sinusoid =
      flip_sin_to_cos_ ? at::cat({angles.cos(), angles.sin()}, 1) : at::cat({angles.sin(), angles.cos()}, 1);
  if (sinusoid_channels_ % 2 == 1) sinusoid = at::constant_pad_nd(sinusoid, {0, 1});
  sinusoid = sinusoid.to(dtype);
  if (guidance.defined()) sinusoid = sinusoid + at::linear(guidance.to(dtype), guidance_projection_);
  return linear2_->forward(at::silu(linear1_->forward(sinusoid)));
}

void TimestepEmbedding::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  visitor.projection(path + ".linear_1", linear1_);
  visitor.projection(path + ".linear_2", linear2_);
}

}  // namespace sdlora::model
