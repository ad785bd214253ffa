// What somebody sends to the port of the metrics, over a real connection. After each such client a scrape
// must succeed.
#include <csignal>
#include <cstdlib>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitoring/metrics/endpoint.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

namespace {

int port_of(const monitoring::MetricsEndpoint& endpoint) {
  return std::stoi(endpoint.target().substr(endpoint.target().rfind(':') + 1));
}

// What comes back until the other side closes, or for `patience`; the server answers nobody who has closed.
std::string answer_to(int port, std::string_view request, const timeval& patience) {
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
  (void)::send(connection, request.data(), request.size(), MSG_NOSIGNAL);
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::recv(connection, buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<size_t>(got));
  ::close(connection);
  return answer;
}

// The signal by which libFuzzer's clock ticks interrupts a call on a socket that has a patience.
bool leave_ticks_to_other_threads() {
  sigset_t ticks;
  sigemptyset(&ticks);
  sigaddset(&ticks, SIGALRM);
  return ::pthread_sigmask(SIG_BLOCK, &ticks, nullptr) == 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static monitoring::MetricsRegistry registry;
  static const monitoring::MetricsEndpoint endpoint(registry, {});
  static const int port = port_of(endpoint);
  static const bool is_undisturbed = leave_ticks_to_other_threads();
  (void)is_undisturbed;
  static const bool has_metric = (registry.gauge("sdlora_step", "help").set(1), true);
  (void)has_metric;
  const std::string_view request = fuzz::text_of(data, size);
  const bool may_be_whole = request.find("\r\n\r\n") != std::string_view::npos;
  const std::string answer = answer_to(port, request, {.tv_sec = 0, .tv_usec = may_be_whole ? 20'000 : 1});
  if (!answer.empty() && !answer.starts_with("HTTP/1.")) std::abort();
  const std::string scraped = answer_to(port, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                                        {.tv_sec = 4, .tv_usec = 0});
  if (scraped.find("sdlora_step 1") == std::string::npos) fuzz::finding("no scrape after it", scraped);
  return 0;
}
