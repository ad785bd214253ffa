#include "monitoring/metrics/endpoint.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "tests/monitoring/metrics/scrape.h"

namespace sdlora::monitoring {
namespace {

using testing::HasSubstr;
using testing::Not;

class MetricsEndpointTest : public testing::Test {
 protected:
  MetricsEndpointTest() { registry_.counter("sdlora_steps_total", "Steps").add(3); }

  MetricsRegistry registry_;
};

TEST_F(MetricsEndpointTest, ServesTheMetrics) {
  const MetricsEndpoint endpoint(registry_, {"127.0.0.1", 0});
  const std::string answer = scrape(endpoint);
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(answer, HasLine("sdlora_steps_total 3"));
}

TEST_F(MetricsEndpointTest, ServesNothingElse) {
  const MetricsEndpoint endpoint(registry_, {"127.0.0.1", 0});
  EXPECT_THAT(get(port_of(endpoint.target()), "/"), testing::StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(get(port_of(endpoint.target()), "/etc/passwd"), testing::StartsWith("HTTP/1.1 404"));
}

TEST_F(MetricsEndpointTest, OnABusyPortTakesAFreeOne) {
  const MetricsEndpoint first(registry_, {"127.0.0.1", 0});
  testing::internal::CaptureStderr();
  const MetricsEndpoint second(registry_, {"127.0.0.1", port_of(first.target())});
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(second.target(), first.target());
  EXPECT_THAT(scrape(second), HasSubstr("sdlora_steps_total"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_THAT(log, HasSubstr("127.0.0.1:" + std::to_string(port_of(first.target()))));
}

TEST_F(MetricsEndpointTest, OnAnAddressThatIsNotOursLeavesTheRunUnwatched) {
  for (const char* address : {"192.0.2.1", "no such address"}) {
    testing::internal::CaptureStderr();
    const MetricsEndpoint endpoint(registry_, {address, 18400});
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_EQ(endpoint.target(), "");
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
    EXPECT_THAT(log, HasSubstr(address));
  }
}

TEST_F(MetricsEndpointTest, ListeningEverywhereIsReachedByTheHostsName) {
  const MetricsEndpoint endpoint(registry_, {"0.0.0.0", 0});
  EXPECT_THAT(endpoint.target(), Not(HasSubstr("0.0.0.0")));
  EXPECT_THAT(scrape(endpoint), HasSubstr("sdlora_steps_total"));
}

TEST_F(MetricsEndpointTest, ListensOnIPv6) {
  for (const char* address : {"::1", "[::1]"}) {
    const MetricsEndpoint endpoint(registry_, {address, 0});
    EXPECT_THAT(endpoint.target(), testing::StartsWith("[::1]:"));
    EXPECT_THAT(get(endpoint.target(), "/metrics"), HasLine("sdlora_steps_total 3"));
  }
  const MetricsEndpoint everywhere(registry_, {"::", 0});
  EXPECT_THAT(scrape(everywhere), HasLine("sdlora_steps_total 3"));  // by IPv4, too
}

TEST_F(MetricsEndpointTest, IsAdvertisedUnderTheNameThatIsGiven) {
  const MetricsEndpoint endpoint(registry_, {"127.0.0.1", 0, "pod-7.trainers"});
  EXPECT_THAT(endpoint.target(), testing::MatchesRegex("pod-7\\.trainers:[0-9]+"));
  const MetricsEndpoint by_address(registry_, {"::", 0, "fd00::7"});
  EXPECT_THAT(by_address.target(), testing::StartsWith("[fd00::7]:"));
}

TEST_F(MetricsEndpointTest, AnswersOthersWhileSomeDoNotFinishTheirRequest) {
  const MetricsEndpoint endpoint(registry_, {"127.0.0.1", 0});
  std::vector<std::unique_ptr<UnfinishedRequest>> slow;
  for (int i = 0; i < 20; ++i)
    slow.push_back(std::make_unique<UnfinishedRequest>(port_of(endpoint.target())));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(scrape(endpoint), HasLine("sdlora_steps_total 3"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(9));  // Prometheus waits for 10
}

TEST_F(MetricsEndpointTest, GivesItsPortBackAtTheEndWithoutDelay) {
  const auto start = std::chrono::steady_clock::now();
  std::string target;
  {
    const MetricsEndpoint endpoint(registry_, {"127.0.0.1", 0});
    target = endpoint.target();
  }
  const MetricsEndpoint next(registry_, {"127.0.0.1", port_of(target)});
  EXPECT_EQ(next.target(), target);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(PortOfRank, AddsTheRankUnlessAnyPortWillDo) {
  EXPECT_EQ(port_of_rank(18400, 3), 18403);
  EXPECT_EQ(port_of_rank(0, 3), 0);
}

}  // namespace
}  // namespace sdlora::monitoring
