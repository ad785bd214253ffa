#include "trainer/options/doubts.h"

#include <fmt/format.h>

#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {
namespace {

constexpr double kSmallForProdigy = 0.1;  // below this kohya's sd-scripts warn

using Doubts = std::vector<std::string>;

void add_about_optimizer(const OptimizerOptions& optimizer, Doubts& doubts) {
  const double rate = optimizer.learning_rate;
  if (rate == 0 && takes_learning_rate(optimizer)) doubts.emplace_back("--learning-rate 0 trains nothing");
  if (optimizer.kind == OptimizerKind::kProdigy && rate > 0 && rate <= kSmallForProdigy)
    doubts.push_back(fmt::format(
        "--optimizer prodigy finds its learning rate and multiplies it by --learning-rate {:g}: 1 is usual",
        rate));
  const double decay = weight_decay_of(optimizer);
  if (takes_learning_rate(optimizer) && optimizer.kind != OptimizerKind::kProdigy && rate * decay >= 1)
    doubts.push_back(
        fmt::format("a weight decay of {:g} with --learning-rate {:g} takes away all of a weight, or more, "
                    "at each step",
                    decay, rate));
  if (!takes_learning_rate(optimizer) && optimizer.text_encoder_rate > 0)
    doubts.emplace_back("--text-encoder-learning-rate does nothing: this --optimizer finds its own");
  const OptimizerOptions usual;
  const bool sets_adamw = optimizer.weight_decay != usual.weight_decay ||
                          optimizer.adam_beta1 != usual.adam_beta1 ||
                          optimizer.adam_beta2 != usual.adam_beta2 || optimizer.adam_eps != usual.adam_eps;
  if (optimizer.kind != OptimizerKind::kAdamW && sets_adamw)
    doubts.emplace_back(
        "--weight-decay and --adam-... are of --optimizer adamw; others take --optimizer-args "
        "\"weight_decay=... betas=...\"");
  if (!takes_learning_rate(optimizer) && rate != usual.learning_rate)
    doubts.emplace_back(
        "--learning-rate does nothing: Adafactor has its own without --optimizer-args relative_step=false");
}

void add_about_schedule(const TrainConfig& config, Doubts& doubts) {
  const ScheduleOptions& schedule = config.schedule;
  const ScheduleOptions usual;
  const bool is_known = schedule.max_epochs == 0;  // else how many steps there are
  const int64_t steps = schedule.max_steps;
  const int64_t warmup = steps_of(schedule.warmup_steps_or_share, steps);
  const int64_t decay = steps_of(schedule.decay_steps_or_share, steps);
  if (is_known && takes_learning_rate(config.optimizer) && warmup > steps)
    doubts.push_back(
        fmt::format("--warmup-steps {} is more than --max-steps {}: the learning rate ends at {:.0f} % "
                    "of its peak",
                    warmup, steps, 100.0 * static_cast<double>(steps) / static_cast<double>(warmup)));
  if (!takes_schedule(config.optimizer)) {
    if (schedule.kind != usual.kind)
      doubts.push_back(fmt::format("--lr-schedule {} does nothing with this --optimizer",
                                   word_of(schedule.kind, schedule_words())));
    return;
  }
  const bool turns = schedule.kind == ScheduleKind::kCosineWithRestarts ||
                     schedule.kind == ScheduleKind::kCosineWithMinLr ||
                     schedule.kind == ScheduleKind::kWarmupStableDecay;
  const auto add_useless = [&](bool is_set, bool is_used, const char* option) {
    if (is_set && !is_used)
      doubts.push_back(fmt::format("{} does nothing with --lr-schedule {}", option,
                                   word_of(schedule.kind, schedule_words())));
  };
  add_useless(schedule.cycles != usual.cycles, turns, "--lr-cycles");
  add_useless(schedule.power != usual.power, schedule.kind == ScheduleKind::kPolynomial, "--lr-power");
  add_useless(schedule.min_ratio != usual.min_ratio, schedule.kind != ScheduleKind::kConstant,
              "--lr-min-ratio");
  add_useless(schedule.decay_steps_or_share != usual.decay_steps_or_share,
              schedule.kind == ScheduleKind::kWarmupStableDecay, "--lr-decay-steps");
  if (schedule.kind == ScheduleKind::kCosineWithMinLr && schedule.cycles % 2 == 0)
    doubts.push_back(
        fmt::format("--lr-cycles {} of cosine_with_min_lr are half waves: the learning rate ends at its peak",
                    schedule.cycles));
  if (is_known && schedule.kind == ScheduleKind::kWarmupStableDecay && warmup + decay > steps)
    doubts.push_back(fmt::format(
        "--warmup-steps {} and --lr-decay-steps {} are more than --max-steps {}: the learning rate is never "
        "at its peak",
        warmup, decay, steps));
}

void add_about_objective(const TrainConfig& config, Doubts& doubts) {
  const LossOptions& loss = config.loss;
  if (!loss.is_huber() &&
      (loss.huber_c != LossOptions{}.huber_c || loss.huber_schedule != HuberSchedule::kSnr))
    doubts.emplace_back("--huber-c and --huber-schedule do nothing without --loss huber or smooth_l1");
  if (loss.min_snr_gamma > 0 && loss.is_debiased)
    doubts.emplace_back(
        "--min-snr-gamma and --debiased-estimation both weigh timesteps: what is published is of one alone");
  if (config.noise.multires_iterations == 0 &&
      config.noise.multires_discount != NoiseOptions{}.multires_discount)
    doubts.emplace_back("--multires-noise-discount does nothing without --multires-noise-iterations");
  const TimestepOptions& timesteps = config.timesteps;
  const bool has_shape = timesteps.sampling == TimestepSampling::kLogitNormal ||
                         timesteps.sampling == TimestepSampling::kSigmoid;
  if (!has_shape && (timesteps.bias != 0 || timesteps.weight != 0))
    doubts.emplace_back(
        "--timestep-bias and --timestep-weight do nothing without --timestep-sampling logit_normal or "
        "sigmoid");
  if (timesteps.sampling == TimestepSampling::kSigmoid && timesteps.weight == 0)
    doubts.emplace_back("--timestep-sampling sigmoid is uniform without --timestep-weight");
}

void add_about_captions(const TrainConfig& config, Doubts& doubts) {
  const data::CaptionRules& captions = config.captions.rules;
  if (captions.dropout == 1 || captions.dropout_every_epochs == 1)
    doubts.emplace_back("all captions are dropped: nothing is learnt about words");
  if (captions.tag_dropout == 1)
    doubts.emplace_back("--caption-tag-dropout 1 leaves only the tags that are kept");
  if (config.captions.shown_count > 0 && !config.process.is_dry_run)
    doubts.emplace_back("--show-captions does nothing without --dry-run");
}

}  // namespace

std::vector<std::string> doubts_about(const TrainConfig& config) {
  Doubts doubts;
  if (!config.lora.trains_text_encoder && config.optimizer.text_encoder_rate > 0)
    doubts.emplace_back("--text-encoder-learning-rate does nothing without --train-text-encoder");
  add_about_optimizer(config.optimizer, doubts);
  add_about_schedule(config, doubts);
  add_about_objective(config, doubts);
  add_about_captions(config, doubts);
  return doubts;
}

}  // namespace sdlora::trainer
