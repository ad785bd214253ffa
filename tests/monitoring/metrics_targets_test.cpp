#include "monitoring/metrics_targets.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tests/monitoring/temporary_folder.h"
#include "tests/monitoring/text_file.h"

namespace sdlora::monitoring {
namespace {

TEST(MetricsTargets, AreWhatPrometheusReads) {
  const TemporaryFolder folder;
  write_metrics_targets(
      folder / "metrics_targets.json",
      {{"n1:9400", {{"rank", "0"}, {"run", "a \"b\""}}}, {"", {{"rank", "1"}}}, {"[::1]:9402", {}}});
  const auto read = nlohmann::json::parse(text_of(folder / "metrics_targets.json"));
  EXPECT_EQ(read,
            nlohmann::json::parse(R"([{"targets": ["n1:9400"], "labels": {"rank": "0", "run": "a \"b\""}},
                                            {"targets": ["[::1]:9402"], "labels": {}}])"));
}

TEST(MetricsTargets, OfNoEndpointAreAnEmptyList) {
  const TemporaryFolder folder;
  write_metrics_targets(folder / "metrics_targets.json", {});
  EXPECT_EQ(text_of(folder / "metrics_targets.json"), "[]\n");
}

TEST(MetricsTargets, LabelsThatAreNotUtf8AreMadeReadable) {
  const TemporaryFolder folder;
  write_metrics_targets(folder / "metrics_targets.json", {{"n1:9400", {{"run", "caf\xe9"}}}});
  EXPECT_NO_THROW(nlohmann::json::parse(text_of(folder / "metrics_targets.json")));
}

TEST(MetricsTargets, AFolderThatDoesNotExistIsAnError) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_metrics_targets(folder / "absent/targets.json", {}), Error);
}

}  // namespace
}  // namespace sdlora::monitoring
