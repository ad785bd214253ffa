#include "trainer/options/doubts.h"

#include <fmt/format.h>

namespace sdlora::trainer {

std::vector<std::string> doubts_about(const TrainConfig& config) {
  std::vector<std::string> doubts;
  const double rate = config.optimizer.learning_rate;
  const int64_t warmup = config.schedule.warmup_steps, steps = config.schedule.max_steps;
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
