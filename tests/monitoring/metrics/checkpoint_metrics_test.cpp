#include "monitoring/metrics/checkpoint_metrics.h"

#include <fstream>

#include "tests/monitoring/metrics/scrape.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::monitoring {
namespace {

TEST(CheckpointMetrics, TellStepSizeAndMomentOfTheNewest) {
  const TemporaryFolder folder;
  std::ofstream(folder / "a") << "12345";
  std::ofstream(folder / "b") << "678";
  MetricsRegistry registry;
  CheckpointMetrics metrics(registry, /*step=*/100);
  EXPECT_THAT(scrape(registry), HasLine("sdlora_checkpoint_step 100"));
  EXPECT_THAT(scrape(registry), testing::ContainsRegex("last_success_timestamp_seconds [Nn]a[Nn]\n"));
  metrics.record(200, folder / ".");
  const std::string answer = scrape(registry);
  EXPECT_THAT(answer, HasLine("sdlora_checkpoint_step 200"));
  EXPECT_THAT(answer, HasLine("sdlora_checkpoint_size_bytes 8"));
  EXPECT_THAT(answer, testing::ContainsRegex("last_success_timestamp_seconds [0-9]"));
}

TEST(CheckpointMetrics, CountFailuresAndKeepTheStep) {
  MetricsRegistry registry;
  CheckpointMetrics metrics(registry, /*step=*/100);
  metrics.record_failure();
  EXPECT_THAT(scrape(registry), HasLine("sdlora_checkpoint_failures_total 1"));
  EXPECT_THAT(scrape(registry), HasLine("sdlora_checkpoint_step 100"));
}

TEST(CheckpointMetrics, ADirectoryThatCannotBeSeenIsNoError) {
  MetricsRegistry registry;
  CheckpointMetrics metrics(registry, 0);
  EXPECT_NO_THROW(metrics.record(5, "/does/not/exist"));
  EXPECT_THAT(scrape(registry), HasLine("sdlora_checkpoint_size_bytes 0"));
}

}  // namespace
}  // namespace sdlora::monitoring
