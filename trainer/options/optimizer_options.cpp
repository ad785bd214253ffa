#include "trainer/options/optimizer_options.h"

#include "common/error.h"
#include "trainer/options/optimizer_arguments.h"
#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {

Words<OptimizerKind> optimizer_words() {
  return {{"adamw", OptimizerKind::kAdamW},
          {"lion", OptimizerKind::kLion},
          {"adafactor", OptimizerKind::kAdafactor},
          {"prodigy", OptimizerKind::kProdigy},
          {"adamw-schedule-free", OptimizerKind::kScheduleFreeAdamW}};
}

void OptimizerOptions::declare(OptionGroup group) {
  group.add("optimizer", kind, Scope::kResult, "what updates the adapter").one_of(optimizer_words());
  group.add("optimizer-args", arguments, Scope::kResult,
            "its settings, \"name=value …\" by the names of the original in Python (docs/training.md)");
  group.add("learning-rate", learning_rate, Scope::kResult, "peak").at_least(0);
  group
      .add("text-encoder-learning-rate", text_encoder_rate, Scope::kResult,
           "with --train-text-encoder: peak of its adapters; 0: --learning-rate")
      .at_least(0);
  group.add("max-grad-norm", max_gradient_norm, Scope::kResult, "clip the gradient's norm to this; 0: never")
      .at_least(0);
  group
      .add("lora-plus-ratio", lora_plus_ratio, Scope::kResult,
           "LoRA+: B learns so many times as fast as A (16 is usual); 0: as fast")
      .between(0, 1e6);
  group
      .add(
          "ema-decay", ema_decay, Scope::kResult,
          "keep a moving average of the adapter with this decay, and save it as lora_weights_ema.pt; 0: none")
      .between(0, kLargestDecay);
  group.add("weight-decay", weight_decay, Scope::kResult, "of adamw").at_least(0);
  group.add("adam-beta1", adam_beta1, Scope::kResult, "of adamw: decay of the first moment")
      .between(0, kLargestDecay);
  group.add("adam-beta2", adam_beta2, Scope::kResult, "of adamw: decay of the second moment")
      .between(0, kLargestDecay);
  group.add("adam-eps", adam_eps, Scope::kResult, "of adamw: added to the denominator").between(kLeastEps, 1);
}

void OptimizerOptions::settle() {
  arguments = canonical_arguments(arguments);
  weight_decay_of(*this);  // reads them all
  if (kind == OptimizerKind::kScheduleFreeAdamW && max_weight_norm > 0)
    throw Error(ExitCode::kUsage,
                {.what = "schedule-free AdamW cannot be bounded: what it trains is made of two other points",
                 .expected = "--max-weight-norm with another --optimizer",
                 .seen = "both",
                 .advice = "leave one out"});
  if (learning_rate == 0 && text_encoder_rate > 0)
    throw Error(ExitCode::kUsage,
                {.what = "the text encoder's learning rate is a multiple of the UNet's",
                 .expected = "--text-encoder-learning-rate with a --learning-rate above 0",
                 .seen = "--learning-rate 0",
                 .advice = "to train the text encoder alone give --lora-rank-pattern \"^(?!text_model)=0\""});
  if (kind == OptimizerKind::kProdigy && text_encoder_rate_factor() != 1)
    throw Error(ExitCode::kUsage, {.what = "Prodigy finds one learning rate for all",
                                   .expected = "--optimizer prodigy without --text-encoder-learning-rate",
                                   .seen = "both",
                                   .advice = "leave one out"});
  if (kind == OptimizerKind::kProdigy && lora_plus_ratio != 0 && lora_plus_ratio != 1)
    throw Error(ExitCode::kUsage, {.what = "Prodigy finds one learning rate for all",
                                   .expected = "--optimizer prodigy without --lora-plus-ratio",
                                   .seen = "both",
                                   .advice = "leave one out"});
}

}  // namespace sdlora::trainer
