// What the options of the loss make of a timestep, worked out once for all T of a schedule.
#pragma once

#include <vector>

#include "model/noise/noise_schedule.h"
#include "trainer/options/loss_options.h"

namespace sdlora::trainer {

struct LossByTimestep {
  std::vector<float> weights;  // [T] by which a sample counts; empty: all count alike
  std::vector<float> huber_c;  // [T] where the Huber losses become straight; empty: none of them is asked for
};

// With S = SNR(t) = ᾱ_t / (1-ᾱ_t) and S' = min(S, 1000), the product of those that are asked for (kohya's
// custom_train_functions, in its order):
//   min-SNR (Hang et al. 2023, eq. 7)          ε: min(S, γ) / S    v: min(S, γ) / (S + 1)
//   scale-v-pred-loss, of v                    S' / (S' + 1)
//   v-pred-like-loss w, of ε                   1 + w (S' + 1) / S'
//   debiased estimation (Yu et al. 2024)       ε: 1 / √S'          v: 1 / (S' + 1)
// and of the Huber losses c: snr (1 - c) / (1 + σ)² + c with σ = 1 / √S, exponential c^(t / T), constant c.
//
// S is that of the schedule that is trained with, also where it was rescaled to a zero terminal SNR (kohya's
// weights are of the one before). Throws Error(kUsage) for what the schedule's prediction type has no use
// for.
LossByTimestep loss_by_timestep(const LossOptions& options, const model::NoiseSchedule& schedule);

}  // namespace sdlora::trainer
