#include "launcher/supervisor/restart_policy.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "common/error.h"
#include "launcher/supervisor/attempt_ending.h"

namespace sdlora::launcher {
namespace {

// A full disk is not emptied in a second.
constexpr double kFirstPauseAfterIoSeconds = 10;

}  // namespace

RestartPolicy::RestartPolicy(const RestartLimits& limits, int64_t checkpoint_step)
    : limits_(limits), checkpoint_step_(checkpoint_step) {}

RestartDecision RestartPolicy::after(const FailedAttempt& failure, double jitter) {
  if (failure.checkpoint_step > checkpoint_step_) restarts_in_a_row_ = 0;
  checkpoint_step_ = failure.checkpoint_step;

  const bool is_alike = previous_ && previous_->exit_code == failure.exit_code &&
                        previous_->last_step == failure.last_step &&
                        meaning_of_exit_code(failure.exit_code).is_of_the_trainer;
  failures_at_this_step_ = is_alike ? failures_at_this_step_ + 1 : 1;
  previous_ = failure;
  if (failures_at_this_step_ >= limits_.max_failures_at_a_step && is_alike)
    return {.pause = std::nullopt,
            .reason = fmt::format(
                "{} attempts in a row failed alike after step {} (exit code {}): another would, too",
                failures_at_this_step_, failure.last_step, failure.exit_code)};
  if (restarts_in_a_row_ >= limits_.max_restarts)
    return {.pause = std::nullopt,
            .reason = fmt::format("{} restarts in a row brought no newer checkpoint than that of step {}",
                                  restarts_in_a_row_, failure.checkpoint_step)};

  double first_seconds = limits_.first_pause_seconds;
  if (failure.exit_code == static_cast<int>(ExitCode::kIo))
    first_seconds = std::max(first_seconds, kFirstPauseAfterIoSeconds);
  const double seconds =
      std::min(first_seconds * std::exp2(restarts_in_a_row_), limits_.longest_pause_seconds);
  ++restarts_in_a_row_;
  return {.pause = std::chrono::milliseconds(std::llround(1000 * seconds * (0.5 + 0.5 * jitter))),
          .reason = ""};
}

}  // namespace sdlora::launcher
