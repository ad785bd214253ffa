#include "trainer/options/doubts.h"

#include <fmt/format.h>

namespace sdlora::trainer {
namespace {

constexpr double kSmallForProdigy = 0.1;  // below this kohya's sd-scripts warn

}  // namespace

std::vector<std::string> doubts_about(const TrainConfig& config) {
  std::vector<std::string> doubts;
  const double rate = config.optimizer.learning_rate;
  const int64_t steps = config.schedule.max_steps;
  const int64_t warmup = steps_of(config.schedule.warmup_steps, steps);
  if (rate == 0) doubts.emplace_back("--learning-rate 0 trains nothing");
  if (warmup > steps)
    doubts.push_back(
        fmt::format("--warmup-steps {} is more than --max-steps {}: the learning rate ends at {:.0f} % "
                    "of its peak",
                    warmup, steps, 100.0 * static_cast<double>(steps) / static_cast<double>(warmup)));
  if (rate * config.optimizer.weight_decay >= 1)
    doubts.push_back(
        fmt::format("--weight-decay {:g} with --learning-rate {:g} takes away all of a weight, or more, "
                    "at each step",
                    config.optimizer.weight_decay, rate));
  if (config.optimizer.kind == OptimizerKind::kProdigy && rate <= kSmallForProdigy)
    doubts.push_back(fmt::format(
        "--optimizer prodigy finds its learning rate and multiplies it by --learning-rate {:g}: 1 is usual",
        rate));
  const int64_t decay = steps_of(config.schedule.decay_steps, steps);
  if (config.schedule.kind == ScheduleKind::kWarmupStableDecay && warmup + decay > steps)
    doubts.push_back(fmt::format(
        "--warmup-steps {} and --lr-decay-steps {} are more than --max-steps {}: the learning rate is never "
        "at its peak",
        warmup, decay, steps));
  const LossOptions& loss = config.loss;
  if (!loss.is_huber() &&
      (loss.huber_c != LossOptions{}.huber_c || loss.huber_schedule != HuberSchedule::kSnr))
    doubts.emplace_back("--huber-c and --huber-schedule do nothing without --loss huber or smooth_l1");
  if (loss.min_snr_gamma > 0 && loss.is_debiased)
    doubts.emplace_back(
        "--min-snr-gamma and --debiased-estimation weigh timesteps both: nothing was published of them "
        "together");
  const TimestepOptions& timesteps = config.timesteps;
  const bool has_shape = timesteps.sampling == TimestepSampling::kLogitNormal ||
                         timesteps.sampling == TimestepSampling::kSigmoid;
  if (!has_shape && (timesteps.bias != 0 || timesteps.weight != 0))
    doubts.emplace_back(
        "--timestep-bias and --timestep-weight do nothing without --timestep-sampling logit_normal or "
        "sigmoid");
  if (timesteps.sampling == TimestepSampling::kSigmoid && timesteps.weight == 0)
    doubts.emplace_back("--timestep-sampling sigmoid is uniform without --timestep-weight");
  const data::CaptionRules& captions = config.captions.rules;
  if (captions.dropout == 1 || captions.dropout_every_epochs == 1)
    doubts.emplace_back("all captions are dropped: nothing is learnt about words");
  if (captions.tag_dropout == 1)
    doubts.emplace_back("--caption-tag-dropout 1 leaves only the tags that are kept");
  if (config.captions.shown_count > 0 && !config.process.is_dry_run)
    doubts.emplace_back("--show-captions does nothing without --dry-run");
  return doubts;
}

}  // namespace sdlora::trainer
