#include "monitoring/metrics/phase_metrics.h"

#include <numeric>
#include <thread>

#include "tests/monitoring/metrics/scrape.h"

namespace sdlora::monitoring {
namespace {

void wait_ms(int time) {
  std::this_thread::sleep_for(std::chrono::milliseconds(time));
}

TEST(PhaseClock, GivesEachPhaseItsTimeAlsoWhenItComesAgain) {
  PhaseClock clock;
  const auto start = std::chrono::steady_clock::now();
  for (int micro_batch = 0; micro_batch < 2; ++micro_batch) {
    clock.enter(StepPhase::kForward);
    wait_ms(20);
    clock.enter(StepPhase::kBackward);
    wait_ms(5);
  }
  clock.leave();
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - start;
  wait_ms(20);  // belongs to no phase
  const auto& seconds = clock.seconds();
  EXPECT_GE(seconds[static_cast<size_t>(StepPhase::kForward)], 0.040);
  EXPECT_GE(seconds[static_cast<size_t>(StepPhase::kBackward)], 0.010);
  EXPECT_EQ(seconds[static_cast<size_t>(StepPhase::kReduce)], 0);
  EXPECT_LE(std::accumulate(seconds.begin(), seconds.end(), 0.0), whole.count());
}

TEST(PhaseClock, StartsAfreshAfterAReset) {
  PhaseClock clock;
  clock.enter(StepPhase::kUpdate);
  wait_ms(2);
  clock.leave();
  clock.reset();
  for (const double seconds : clock.seconds()) EXPECT_EQ(seconds, 0);
}

TEST(PhaseMetrics, ObserveEachPhaseOfAStepOnceAndPausesWhenTheyEnd) {
  MetricsRegistry registry;
  PhaseMetrics metrics(registry);
  metrics.record(PhaseClock());
  { const Timing timing(metrics.checkpoint); }
  const std::string answer = scrape(registry);
  for (const char* phase : {"data_wait", "forward", "backward", "reduce", "update", "checkpoint"})
    EXPECT_THAT(answer,
                HasLine("sdlora_phase_duration_seconds_count{phase=\"" + std::string(phase) + "\"} 1"));
  for (const char* phase : {"validation", "preview"})
    EXPECT_THAT(answer,
                HasLine("sdlora_phase_duration_seconds_count{phase=\"" + std::string(phase) + "\"} 0"));
}

}  // namespace
}  // namespace sdlora::monitoring
