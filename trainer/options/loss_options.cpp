#include "trainer/options/loss_options.h"

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

// Of the noise, whose deviation is 1: outside of this the Huber losses are multiples of l1 or of mse.
constexpr double kLeastHuberC = 1e-6, kGreatestHuberC = 1000;

}  // namespace

Words<LossKind> loss_words() {
  return {{"mse", LossKind::kMse},
          {"l1", LossKind::kL1},
          {"huber", LossKind::kHuber},
          {"smooth_l1", LossKind::kSmoothL1}};
}

Words<HuberSchedule> huber_schedule_words() {
  return {{"snr", HuberSchedule::kSnr},
          {"exponential", HuberSchedule::kExponential},
          {"constant", HuberSchedule::kConstant}};
}

void LossOptions::declare(OptionGroup group) {
  group.add("loss", kind, Scope::kResult, "between prediction and target").one_of(loss_words());
  group
      .add("huber-c", huber_c, Scope::kResult,
           "with --loss huber or smooth_l1: errors below are squared, those above count as they are")
      .between(kLeastHuberC, kGreatestHuberC);
  group
      .add("huber-schedule", huber_schedule, Scope::kResult,
           "how that goes from 1 to --huber-c with the noise: snr or exponential; constant: it is always "
           "--huber-c")
      .one_of(huber_schedule_words());
  group
      .add("min-snr-gamma", min_snr_gamma, Scope::kResult,
           "count samples of little noise less, as if their signal-to-noise ratio were at most this (5 is "
           "usual); 0: no")
      .between(0, 1000);
  group.add("debiased-estimation", is_debiased, Scope::kResult,
            "count samples of much noise more: by 1 / sqrt(SNR), with v_prediction by 1 / (SNR + 1)");
  group.add("scale-v-pred-loss", scales_v_prediction, Scope::kResult,
            "with v_prediction: count samples as the loss of epsilon would, by SNR / (SNR + 1)");
  group
      .add("v-pred-like-loss", v_prediction_like_weight, Scope::kResult,
           "with epsilon: add the loss of v_prediction, (SNR + 1) / SNR of it, so many times; 0: no")
      .between(0, 1000);
  group
      .add("prior-loss-weight", prior_weight, Scope::kResult,
           "how much a regularisation picture counts (cache_latents --reg-images); 1: as much as another")
      .between(0, 1000);
  group.add("masked-loss", is_masked, Scope::kResult,
            "a picture counts where its mask is white (cache_latents --mask)");
  group
      .add("unmasked-weight", unmasked_weight, Scope::kResult,
           "with --masked-loss: how much the rest counts, where the mask is darker than that")
      .between(0, 1);
}

void LossOptions::check() const {
  if (is_masked || unmasked_weight == 0) return;
  throw Error(ExitCode::kUsage, {.what = "a weight outside masks is given, but masks do not count",
                                 .expected = "--unmasked-weight with --masked-loss",
                                 .seen = fmt::format("--unmasked-weight {:g}", unmasked_weight),
                                 .advice = "give --masked-loss, too, or leave it out"});
}

}  // namespace sdlora::trainer
