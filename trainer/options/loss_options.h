// How much each sample, and each part of a sample, counts.
#pragma once

#include <optional>

#include "common/options.h"

namespace sdlora::trainer {

struct LossOptions {
  double prior_weight = 1;  // of regularisation pictures
  bool is_masked = false;   // the cache's masks say where a picture counts
  double unmasked_weight = 0;

  // Of what a mask leaves out, at least; nothing where masks do not count.
  std::optional<double> weight_outside_masks() const {
    return is_masked ? std::optional(unmasked_weight) : std::nullopt;
  }

  void declare(OptionGroup group);

  // Throws Error(kUsage): settings that contradict each other.
  void check() const;
};

}  // namespace sdlora::trainer
