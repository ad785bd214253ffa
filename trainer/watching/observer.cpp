#include "trainer/watching/observer.h"

#include <fmt/format.h>

#include "common/log.h"
#include "monitoring/records/run_files.h"
#include "monitoring/report/report.h"
#include "trainer/watching/run_report.h"

namespace sdlora::trainer {

Observer::Observer(const TrainConfig& config, LoadedRun& loaded, RunMonitor& monitor, Previews* previews,
                   comm::Communicator& world, comm::Communicator& sums_comm, comm::Watchdog& watchdog,
                   std::vector<monitoring::TableRow> startup_table)
    : config_(config),
      loaded_(loaded),
      monitor_(monitor),
      previews_(previews),
      world_(world),
      sums_comm_(sums_comm),
      watchdog_(watchdog),
      startup_table_(std::move(startup_table)) {}

void Observer::prepare(int64_t first_step) {
  if (first_step > 0) return;
  if (world_.rank() == 0) remove_previews(config_.places.output / monitoring::kPreviewsFolderName);
  world_.barrier();
}

bool Observer::is_due(int64_t step, const Interval& every) const {
  return !every.is_never() &&
         (every.is_due(step, loaded_.length.epoch) || step == config_.schedule.max_steps);
}

bool Observer::look(int64_t step, const std::function<bool()>& stop_requested) {
  if (is_due(step, config_.validation.every) && validate(step, stop_requested)) return true;
  if (!previews_ || !is_due(step, config_.previews.every)) return false;
  const bool were_complete = previews_->are_complete(step);
  const bool is_asked_to_stop = draw_previews(step, stop_requested);
  if (!were_complete && (!is_asked_to_stop || previews_->are_complete(step))) monitor_.record_previews(step);
  report(step, "running");
  return is_asked_to_stop;
}

bool Observer::draw_previews(int64_t step, const std::function<bool()>& stop_requested) {
  const monitoring::Timing timing(monitor_.metrics().phases.preview);
  const auto draw_with = [&](Previews::Shown shown, const at::Tensor& parameters) {
    const ShownParameters borrowed(parameters, loaded_.adapter.parameters());
    return previews_->draw(step, shown, loaded_.networks(), loaded_.mode, world_, watchdog_, stop_requested);
  };
  if (draw_with(Previews::Shown::kTrained, loaded_.optimizer->evaluation_parameters())) return true;
  return previews_->are_of_average() &&
         draw_with(Previews::Shown::kAverage, loaded_.optimizer->moving_average().value());
}

bool Observer::validate(int64_t step, const std::function<bool()>& stop_requested) {
  if (monitor_.has_validation_of(step, world_)) return false;
  const monitoring::Timing timing(monitor_.metrics().phases.validation);
  const ShownParameters shown(loaded_.optimizer->evaluation_parameters(), loaded_.adapter.parameters());
  const ValidationResult result =
      loaded_.validation->run(loaded_.networks(), sums_comm_, watchdog_, stop_requested);
  if (result.was_interrupted) return true;
  monitor_.record_validation({.step = step,
                              .loss = result.loss,
                              .quarter_losses = result.quarter_losses,
                              .seconds = timing.seconds()});
  return false;
}

void Observer::report(int64_t step, const std::string& state) const {
  if (world_.rank() != 0) return;
  try {
    monitoring::write_report(describe_run(config_, loaded_, startup_table_, step, state));
  } catch (const std::exception& failure) {
    log::warning(fmt::format("no new report.html after step {}: {}", step, failure.what()));
  }
}

}  // namespace sdlora::trainer
