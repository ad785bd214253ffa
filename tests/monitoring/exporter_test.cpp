#include "monitoring/exporter.h"

#include <array>
#include <chrono>
#include <limits>
#include <regex>
#include <sstream>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sdlora::monitoring {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

int port_of(const std::string& target) {
  return std::stoi(target.substr(target.rfind(':') + 1));
}

class Socket {
 public:
  Socket() : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}

  ~Socket() { close(descriptor_); }

  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

sockaddr_in local_address(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// The whole HTTP answer.
std::string get(int port, const std::string& path) {
  const Socket socket;
  const sockaddr_in address = local_address(port);
  EXPECT_EQ(connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(send(socket.get(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 4096> buffer{};
  for (ssize_t count; (count = recv(socket.get(), buffer.data(), buffer.size(), 0)) > 0;)
    answer.append(buffer.data(), count);
  return answer;
}

std::string scrape(const MetricsEndpoint& endpoint) {
  return get(port_of(endpoint.target()), "/metrics");
}

StepRecord usual_record() {
  return {.step = 101,
          .loss = 0.25,
          .grad_norm = 0.5,
          .learning_rate = 1e-5,
          .samples_per_second = 4,
          .step_seconds = 2};
}

TEST(Exporter, ServesEverySeriesFromTheStart) {
  const TrainingMetrics metrics({{"version", "1.2"}, {"torch", "2.11"}});
  const MetricsEndpoint endpoint(metrics, "127.0.0.1", 0);
  const std::string answer = scrape(endpoint);
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 200 OK"));
  for (const char* line :
       {"sdlora_loss 0", "sdlora_gradient_norm 0", "sdlora_learning_rate 0", "sdlora_step 0",
        "sdlora_steps_total 0", "sdlora_samples_total 0", "sdlora_nonfinite_steps_total 0",
        "sdlora_skipped_steps_total 0", "sdlora_step_duration_seconds_count 0"})
    EXPECT_THAT(answer, HasSubstr(std::string("\n") + line + "\n"));
  EXPECT_THAT(answer, HasSubstr("sdlora_build_info{torch=\"2.11\",version=\"1.2\"} 1"));
}

TEST(Exporter, ShowsTheLatestStepAndCountsAll) {
  TrainingMetrics metrics({});
  const MetricsEndpoint endpoint(metrics, "127.0.0.1", 0);
  metrics.record_step(usual_record(), 8);
  StepRecord later = usual_record();
  later.step = 102;
  later.loss = 0.125;
  later.skipped = true;
  metrics.record_step(later, 8);
  const std::string answer = scrape(endpoint);
  for (const char* line :
       {"sdlora_loss 0.125", "sdlora_step 102", "sdlora_steps_total 2", "sdlora_samples_total 16",
        "sdlora_skipped_steps_total 1", "sdlora_nonfinite_steps_total 0",
        "sdlora_step_duration_seconds_sum 4", "sdlora_step_duration_seconds_bucket{le=\"1\"} 0",
        "sdlora_step_duration_seconds_bucket{le=\"2.5\"} 2"})
    EXPECT_THAT(answer, HasSubstr(std::string("\n") + line + "\n"));
}

TEST(Exporter, ANonFiniteLossIsShownAndADurationThatIsNoneNotObserved) {
  TrainingMetrics metrics({});
  const MetricsEndpoint endpoint(metrics, "127.0.0.1", 0);
  StepRecord record = usual_record();
  record.loss = kNotANumber;
  record.step_seconds = kNotANumber;
  metrics.record_step(record, 8);
  const std::string answer = scrape(endpoint);
  EXPECT_THAT(answer, testing::ContainsRegex("\nsdlora_loss [Nn]a[Nn]\n"));
  EXPECT_THAT(answer, HasSubstr("\nsdlora_nonfinite_steps_total 1\n"));
  EXPECT_THAT(answer, HasSubstr("\nsdlora_step_duration_seconds_count 0\n"));
  EXPECT_THAT(answer, HasSubstr("\nsdlora_step_duration_seconds_sum 0\n"));
}

TEST(Exporter, ShowsTheLatestValidationByQuarterAndUntilThenThatThereIsNone) {
  TrainingMetrics metrics({});
  const MetricsEndpoint endpoint(metrics, "127.0.0.1", 0);
  EXPECT_THAT(scrape(endpoint), testing::ContainsRegex("\nsdlora_validation_loss [Nn]a[Nn]\n"));
  metrics.record_validation({.step = 5, .loss = 0.25, .quarter_losses = {0.5, 0.25, 0.125, 0.0625}});
  const std::string answer = scrape(endpoint);
  for (const char* line :
       {"sdlora_validation_loss 0.25", "sdlora_validation_loss_by_timestep_quarter{quarter=\"1\"} 0.5",
        "sdlora_validation_loss_by_timestep_quarter{quarter=\"4\"} 0.0625"})
    EXPECT_THAT(answer, HasSubstr(std::string("\n") + line + "\n"));
}

TEST(Exporter, NamesFollowPrometheusPractice) {
  const TrainingMetrics metrics({});
  const MetricsEndpoint endpoint(metrics, "127.0.0.1", 0);
  std::istringstream lines(scrape(endpoint));
  const std::regex type_line("# TYPE (sdlora_[a-z_]+) (gauge|counter|histogram)\r?");
  int metric_count = 0;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!line.starts_with("# TYPE") || line.starts_with("# TYPE exposer_")) continue;  // the server's own
    ASSERT_TRUE(std::regex_match(line, match, type_line)) << line;
    EXPECT_EQ(match[1].str().ends_with("_total"), match[2] == "counter") << line;
    ++metric_count;
  }
  EXPECT_EQ(metric_count, 12);
}

TEST(Exporter, ServesNothingElse) {
  const TrainingMetrics metrics({});
  const MetricsEndpoint endpoint(metrics, "127.0.0.1", 0);
  EXPECT_THAT(get(port_of(endpoint.target()), "/"), testing::StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(get(port_of(endpoint.target()), "/etc/passwd"), testing::StartsWith("HTTP/1.1 404"));
}

TEST(Exporter, ABusyPortGivesWayToAFreeOne) {
  const TrainingMetrics metrics({});
  const MetricsEndpoint first(metrics, "127.0.0.1", 0);
  testing::internal::CaptureStderr();
  const MetricsEndpoint second(metrics, "127.0.0.1", port_of(first.target()));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(second.target(), first.target());
  EXPECT_THAT(scrape(second), HasSubstr("sdlora_steps_total"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_THAT(log, HasSubstr("127.0.0.1:" + std::to_string(port_of(first.target()))));
}

TEST(Exporter, AnAddressThatIsNotOursLeavesTheRunUnwatched) {
  const TrainingMetrics metrics({});
  for (const char* address : {"192.0.2.1", "no such address"}) {
    testing::internal::CaptureStderr();
    const MetricsEndpoint endpoint(metrics, address, 9400);
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_EQ(endpoint.target(), "");
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
    EXPECT_THAT(log, HasSubstr(address));
  }
}

TEST(Exporter, ListeningEverywhereIsReachedByTheHostsName) {
  const TrainingMetrics metrics({});
  const MetricsEndpoint endpoint(metrics, "0.0.0.0", 0);
  EXPECT_THAT(endpoint.target(), Not(HasSubstr("0.0.0.0")));
  EXPECT_THAT(scrape(endpoint), HasSubstr("sdlora_steps_total"));
}

TEST(Exporter, GivesItsPortBackAtTheEndWithoutDelay) {
  const auto start = std::chrono::steady_clock::now();
  const TrainingMetrics metrics({});
  std::string target;
  {
    const MetricsEndpoint endpoint(metrics, "127.0.0.1", 0);
    target = endpoint.target();
  }
  const MetricsEndpoint next(metrics, "127.0.0.1", port_of(target));
  EXPECT_EQ(next.target(), target);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

}  // namespace
}  // namespace sdlora::monitoring
