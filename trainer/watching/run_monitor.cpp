#include "trainer/watching/run_monitor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "comm/fail_together.h"
#include "common/log.h"
#include "monitoring/memory/resident_memory.h"
#include "monitoring/metrics/scrape_endpoints.h"
#include "monitoring/records/metrics_file.h"
#include "monitoring/records/run_files.h"
#include "monitoring/tensorboard/tensorboard_log.h"
#include "monitoring/terminal/progress_bar.h"
#include "monitoring/terminal/run_summary.h"
#include "trainer/optimizers/gradient_clipping.h"

namespace sdlora::trainer {
// What every rank has, and what only rank 0 has.
struct RunMonitor::Outlets {
  Outlets(const TrainConfig& run_config, const LoadedRun& loaded, const comm::Communicator& world,
          const comm::Watchdog& watchdog, int64_t first_step)
      : config(run_config),
        epoch_samples(loaded.length.epoch.samples_per_epoch),
        metrics(run_config, loaded, world, watchdog, first_step),
        endpoint(metrics.registry(), run_config.watching.metrics.of_rank(world.local_rank())) {}

  const TrainConfig& config;
  int64_t epoch_samples;  // with repeats
  RunMetrics metrics;
  monitoring::MetricsEndpoint endpoint;
  monitoring::RunSummary summary;
  std::unique_ptr<monitoring::MetricsFile> metrics_file;    // rank 0
  std::unique_ptr<monitoring::TensorboardLog> tensorboard;  // rank 0, with --tensorboard
  std::unique_ptr<monitoring::ProgressBar> bar;             // rank 0
};

RunMonitor::RunMonitor(const TrainConfig& config, const LoadedRun& loaded, comm::Communicator& world,
                       const comm::Watchdog& watchdog, int64_t first_step)
    : outlets_(std::make_unique<Outlets>(config, loaded, world, watchdog, first_step)) {
  const std::vector<std::string> addresses = world.gather(outlets_->endpoint.target());
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    monitoring::write_metrics_targets(config.places.output, addresses);
    outlets_->metrics_file = std::make_unique<monitoring::MetricsFile>(
        config.places.output / monitoring::kMetricsFileName, first_step);
    if (config.watching.writes_tensorboard)
      outlets_->tensorboard = std::make_unique<monitoring::TensorboardLog>(config.places.output, first_step);
    if (!addresses.front().empty()) log::info(fmt::format("metrics    http://{}/metrics", addresses.front()));
    outlets_->bar =
        std::make_unique<monitoring::ProgressBar>(config.schedule.max_steps, "training", "step",
                                                  monitoring::ProgressBarOptions{.already_done = first_step});
  });
}

RunMonitor::~RunMonitor() = default;

void RunMonitor::record(int64_t step, const StepResult& result, double step_seconds) {
  const monitoring::StepRecord record{
      .step = step,
      .loss = result.loss,
      .gradient_norm = result.gradient_norm,
      .clipped_gradient_norm =
          result.gradient_norm *
          clip_factor(result.gradient_norm, outlets_->config.optimizer.max_gradient_norm),
      .learning_rate = result.learning_rate,
      .loss_scale = result.loss_scale,
      .epoch = static_cast<double>(step * outlets_->config.batch.size) /
               static_cast<double>(outlets_->epoch_samples),
      .skipped = result.is_skipped,
      .is_loss_scale_search = result.is_loss_scale_search,
      .samples_per_second = static_cast<double>(outlets_->config.batch.size) / step_seconds,
      .step_seconds = step_seconds};
  outlets_->metrics.record_step(record, result);
  outlets_->summary.record_step(record, outlets_->config.batch.size);
  if (outlets_->metrics_file) outlets_->metrics_file->append(record);
  if (outlets_->tensorboard) outlets_->tensorboard->record_step(record);
  if (outlets_->bar)
    outlets_->bar->update(step,
                          fmt::format("loss {:.4f}  grad norm {:.2e}", result.loss, result.gradient_norm));
}

void RunMonitor::flush() {
  if (outlets_->metrics_file) outlets_->metrics_file->flush();
}

void RunMonitor::record_validation(const monitoring::ValidationRecord& record) {
  outlets_->metrics.validation.record(record);
  outlets_->summary.record_validation(record);
  if (outlets_->tensorboard) outlets_->tensorboard->record_validation(record);
  if (!outlets_->metrics_file) return;
  outlets_->metrics_file->add_validation(record);
  log::info(
      fmt::format("validation after step {}: loss {:.5f} (by quarter of the timesteps {:.5f}), {:.1f} s",
                  record.step, record.loss, fmt::join(record.quarter_losses, ", "), record.seconds));
}

RunMetrics& RunMonitor::metrics() {
  return outlets_->metrics;
}

bool RunMonitor::has_validation_of(int64_t step, comm::Communicator& world) const {
  std::string answer;
  if (outlets_->metrics_file && outlets_->metrics_file->has_validation_of(step)) answer = "yes";
  world.broadcast(answer, /*root=*/0);
  return answer == "yes";
}

void RunMonitor::leave(comm::Communicator& world) {
  if (world.rank() == 0) monitoring::empty_metrics_targets(outlets_->config.places.output);
}

void RunMonitor::record_previews(int64_t step) {
  if (outlets_->tensorboard) outlets_->tensorboard->record_previews(step);
}

void RunMonitor::show_summary() {
  if (!outlets_->bar) return;
  outlets_->bar->finish();
  for (const std::string& line : monitoring::table_of(outlets_->summary.rows(outlets_->config.places.output)))
    log::info(line);
}

void RunMonitor::finish(comm::Communicator& world) {
  const std::vector<std::string> all = world.gather(in_words(monitoring::resident_memory()));
  if (outlets_->bar) outlets_->bar->finish();
  if (world.rank() != 0) return;
  for (size_t rank = 0; rank < all.size(); ++rank)
    log::info(fmt::format("memory of rank {}: {}", rank, all[rank]));
  show_summary();
}

}  // namespace sdlora::trainer
