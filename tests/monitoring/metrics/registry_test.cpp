#include "monitoring/metrics/registry.h"

#include <limits>

#include "tests/monitoring/metrics/scrape.h"

namespace sdlora::monitoring {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(MetricsRegistry, ShowsAGaugeAsUnknownUntilItIsSet) {
  MetricsRegistry registry;
  Gauge loss = registry.gauge("sdlora_loss", "Loss");
  EXPECT_THAT(scrape(registry), testing::ContainsRegex("\nsdlora_loss [Nn]a[Nn]\n"));
  loss.set(0.25);
  EXPECT_THAT(scrape(registry), HasLine("sdlora_loss 0.25"));
}

TEST(MetricsRegistry, AskedTwiceGivesTheSameSeriesWithItsValue) {
  MetricsRegistry registry;
  registry.gauge("sdlora_norm", "Norm", {{"block", "mid_block"}}).set(2);
  registry.gauge("sdlora_norm", "Norm", {{"block", "mid_block"}});
  registry.gauge("sdlora_norm", "Norm", {{"block", "down_blocks.0"}}).set(3);
  registry.counter("sdlora_steps_total", "Steps").add();
  registry.counter("sdlora_steps_total", "Steps").add();
  const std::string answer = scrape(registry);
  EXPECT_THAT(answer, HasLine("sdlora_norm{block=\"mid_block\"} 2"));
  EXPECT_THAT(answer, HasLine("sdlora_norm{block=\"down_blocks.0\"} 3"));
  EXPECT_THAT(answer, HasLine("sdlora_steps_total 2"));
}

TEST(MetricsRegistry, KeepsWhatIsNotFiniteOutOfHistograms) {
  MetricsRegistry registry;
  Histogram seconds = registry.histogram_of_seconds("sdlora_step_duration_seconds", "Time");
  for (const double value : {kNotANumber, kInfinity, -kInfinity, 2.0}) seconds.observe(value);
  const std::string answer = scrape(registry);
  for (const char* line : {"sdlora_step_duration_seconds_count 1", "sdlora_step_duration_seconds_sum 2",
                           "sdlora_step_duration_seconds_bucket{le=\"1\"} 0",
                           "sdlora_step_duration_seconds_bucket{le=\"2.5\"} 1"})
    EXPECT_THAT(answer, HasLine(line));
}

TEST(MetricsRegistry, RefreshesAtEveryScrape) {
  MetricsRegistry registry;
  Gauge looks = registry.gauge("sdlora_looks", "Looks");
  registry.before_scrape([looks, count = 0]() mutable { looks.set(++count); });
  EXPECT_THAT(scrape(registry), HasLine("sdlora_looks 1"));
  EXPECT_THAT(scrape(registry), HasLine("sdlora_looks 2"));
}

}  // namespace
}  // namespace sdlora::monitoring
