// Dynamic loss scaling for fp16 (Micikevicius et al. 2018; torch.amp.GradScaler): small gradients are lifted
// above fp16's underflow by a power of two, which is halved when they overflow and doubled after many steps
// without.
#pragma once

#include <cstdint>

namespace sdlora::trainer {

class LossScaler {
 public:
  // The same scale on every rank: decided from reduced values only.
  struct State {
    double scale = 1;
    int64_t steps_since_change = 0;
  };

  explicit LossScaler(bool is_enabled) : is_enabled_(is_enabled) {
    if (is_enabled) state_.scale = kInitialScale;
  }

  double scale() const { return state_.scale; }

  // Whether a step that is not finite may be the scale's fault: it can still be lowered.
  bool can_be_lowered() const { return is_enabled_ && state_.scale > 1; }

  void update(bool step_was_finite) {
    if (!is_enabled_) return;
    if (!step_was_finite) {
      if (state_.scale > 1) state_.scale /= 2;
      state_.steps_since_change = 0;
    } else if (++state_.steps_since_change == kGrowthInterval) {
      state_ = {.scale = state_.scale * 2, .steps_since_change = 0};
    }
  }

  const State& state() const { return state_; }

  void load(const State& state) { state_ = state; }

 private:
  static constexpr double kInitialScale = 65536;
  static constexpr int64_t kGrowthInterval = 2000;

  bool is_enabled_;
  State state_;
};

}  // namespace sdlora::trainer
