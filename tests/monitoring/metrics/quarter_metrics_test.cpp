#include "monitoring/metrics/quarter_metrics.h"

#include "tests/monitoring/metrics/scrape.h"

namespace sdlora::monitoring {
namespace {

TEST(ValidationMetrics, ShowTheLatestValidationByQuarterAndUntilThenThatThereIsNone) {
  MetricsRegistry registry;
  ValidationMetrics metrics(registry);
  EXPECT_THAT(scrape(registry), testing::ContainsRegex("\nsdlora_validation_loss [Nn]a[Nn]\n"));
  metrics.record({.step = 5, .loss = 0.25, .quarter_losses = {0.5, 0.25, 0.125, 0.0625}});
  const std::string answer = scrape(registry);
  for (const char* line :
       {"sdlora_validation_loss 0.25", "sdlora_validation_loss_by_timestep_quarter{quarter=\"1\"} 0.5",
        "sdlora_validation_loss_by_timestep_quarter{quarter=\"4\"} 0.0625"})
    EXPECT_THAT(answer, HasLine(line));
}

TEST(QuarterLossMetrics, AverageEachQuarterForItself) {
  MetricsRegistry registry;
  QuarterLossMetrics metrics(registry);
  metrics.record(0, 0.5);
  metrics.record(3, 0.25);
  const std::string answer = scrape(registry);
  EXPECT_THAT(answer, HasLine("sdlora_loss_by_timestep_quarter{quarter=\"1\"} 0.5"));
  EXPECT_THAT(answer, HasLine("sdlora_loss_by_timestep_quarter{quarter=\"4\"} 0.25"));
  EXPECT_THAT(answer, testing::ContainsRegex("sdlora_loss_by_timestep_quarter.quarter=\"2\". [Nn]a[Nn]\n"));
}

}  // namespace
}  // namespace sdlora::monitoring
