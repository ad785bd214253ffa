// How the timestep of a sample is drawn.
#pragma once

#include <ATen/Generator.h>
#include <ATen/core/Tensor.h>

#include "trainer/options/timestep_options.h"

namespace sdlora::trainer {

class TimestepDraw {
 public:
  // Of a schedule of `timestep_count`. Throws Error(kUsage): more than there are, or none has a chance.
  TimestepDraw(const TimestepOptions& options, int64_t timestep_count);

  // [1] i64, on the CPU. uniform: randint(least, bound). logit_normal (Esser et al. 2024, sec. 3.1;
  // OneTrainer): least + ⌊n · sigmoid(bias + (1 + weight) · randn(1))⌋ of n = bound - least. sigmoid,
  // cos_map: least + multinomial(chances(), with replacement).
  at::Tensor draw(at::Generator generator) const;

  // [n] f64, of each timestep from the least on, not normalised; undefined where draw() does not go by
  // chances. Of l = i / (n-1), as OneTrainer has them: sigmoid 1 / (1 + exp(-weight (l - bias - 1/2))),
  // cos_map 2 / (π - 2πl + 2πl²) (Esser et al. 2024, eq. 21).
  const at::Tensor& chances() const { return chances_; }

  // What logit_normal makes of a draw of the normal distribution.
  int64_t logit_normal_timestep(double normal_draw) const;

 private:
  TimestepOptions options_;
  at::Tensor chances_;
};

}  // namespace sdlora::trainer
