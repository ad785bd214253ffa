#include "trainer/observer.h"

#include <chrono>

namespace sdlora::trainer {

Observer::Observer(const TrainConfig& config, RunParts& parts, RunMonitor& monitor, comm::Communicator& world,
                   comm::Communicator& sums_comm, comm::Watchdog& watchdog)
    : config_(config),
      parts_(parts),
      monitor_(monitor),
      world_(world),
      sums_comm_(sums_comm),
      watchdog_(watchdog) {}

bool Observer::is_due(int64_t step, int64_t every) const {
  return every > 0 && (step % every == 0 || step == config_.max_steps);
}

bool Observer::look(int64_t step, const std::function<bool()>& stop_requested) {
  return is_due(step, config_.validation_every) && validate(step, stop_requested);
}

bool Observer::validate(int64_t step, const std::function<bool()>& stop_requested) {
  if (monitor_.has_validation_of(step, world_)) return false;
  const auto start = std::chrono::steady_clock::now();
  const ValidationResult result = parts_.validation->run(parts_.unet, sums_comm_, watchdog_, stop_requested);
  if (result.was_interrupted) return true;
  monitor_.record_validation(
      {.step = step,
       .loss = result.loss,
       .quarter_losses = result.quarter_losses,
       .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()});
  return false;
}

}  // namespace sdlora::trainer
