// What is minimised, and how much each sample, and each part of a sample, counts.
#pragma once

#include <optional>

#include "common/options.h"

namespace sdlora::trainer {

enum class LossKind { kMse, kL1, kHuber, kSmoothL1 };
enum class HuberSchedule { kSnr, kExponential, kConstant };

Words<LossKind> loss_words();
Words<HuberSchedule> huber_schedule_words();

struct LossOptions {
  LossKind kind = LossKind::kMse;
  double huber_c = 0.1;  // where the Huber losses go from a square to a straight line
  HuberSchedule huber_schedule = HuberSchedule::kSnr;

  double min_snr_gamma = 0;             // 0: without
  bool is_debiased = false;             // debiased estimation
  bool scales_v_prediction = false;     // as if epsilon were predicted
  double v_prediction_like_weight = 0;  // 0: without

  double prior_weight = 1;  // of regularisation pictures
  bool is_masked = false;   // the cache's masks say where a picture counts
  double unmasked_weight = 0;

  bool is_huber() const { return kind == LossKind::kHuber || kind == LossKind::kSmoothL1; }

  bool weighs_timesteps() const {
    return min_snr_gamma > 0 || is_debiased || scales_v_prediction || v_prediction_like_weight > 0;
  }

  // Of what a mask leaves out, at least; nothing where masks do not count.
  std::optional<double> weight_outside_masks() const {
    return is_masked ? std::optional(unmasked_weight) : std::nullopt;
  }

  void declare(OptionGroup group);

  // Throws Error(kUsage): settings that contradict each other.
  void check() const;
};

}  // namespace sdlora::trainer
