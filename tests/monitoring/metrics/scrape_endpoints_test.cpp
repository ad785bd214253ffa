#include "monitoring/metrics/scrape_endpoints.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "monitoring/records/run_files.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::monitoring {
namespace {

class MetricsTargets : public testing::Test {
 protected:
  // A run directory of this name.
  std::filesystem::path run(const std::string& name) const {
    std::filesystem::create_directory(folder_ / name);
    return folder_ / name;
  }

  const TemporaryFolder folder_;
};

TEST_F(MetricsTargets, AreWhatPrometheusReadsWithoutTheRanksThatServeNothing) {
  const auto directory = run("a \"b\"");
  write_metrics_targets(directory, {"n1:9400", "", "[::1]:9402"});
  auto expected = nlohmann::json::parse(R"([
      {"targets": ["n1:9400"], "labels": {"job": "sdlora", "run": "a \"b\"", "rank": "0"}},
      {"targets": ["[::1]:9402"], "labels": {"job": "sdlora", "run": "a \"b\"", "rank": "2"}}])");
  for (auto& group : expected) group["labels"]["run_id"] = run_id(directory);
  EXPECT_EQ(nlohmann::json::parse(bytes_of(directory / "metrics_targets.json")), expected);
}

TEST_F(MetricsTargets, OfADirectoryWrittenWithASlashHaveItsName) {
  write_metrics_targets(run("ink") / "", {"n1:9400"});
  EXPECT_NE(bytes_of(folder_ / "ink/metrics_targets.json").find("\"run\": \"ink\""), std::string::npos);
}

TEST_F(MetricsTargets, OfNoEndpointAreAnEmptyList) {
  write_metrics_targets(run("ink"), {""});
  EXPECT_EQ(bytes_of(folder_ / "ink/metrics_targets.json"), "[]\n");
}

TEST_F(MetricsTargets, OfANameThatIsNotUtf8AreMadeReadable) {
  write_metrics_targets(run("caf\xe9"), {"n1:9400"});
  EXPECT_NO_THROW(nlohmann::json::parse(bytes_of(folder_ / "caf\xe9/metrics_targets.json")));
}

TEST_F(MetricsTargets, InADirectoryThatDoesNotExistAreAnError) {
  EXPECT_THROW(write_metrics_targets(folder_ / "absent", {}), Error);
}

TEST_F(MetricsTargets, OfARunThatEndedInOrderAreAnEmptyList) {
  write_metrics_targets(run("ink"), {"n1:9400"});
  empty_metrics_targets(folder_ / "ink");
  EXPECT_EQ(bytes_of(folder_ / "ink/metrics_targets.json"), "[]\n");
}

TEST_F(MetricsTargets, OfADirectoryThatIsGoneAreNoErrorInTheEnd) {
  EXPECT_NO_THROW(empty_metrics_targets(folder_ / "absent"));
}

}  // namespace
}  // namespace sdlora::monitoring
