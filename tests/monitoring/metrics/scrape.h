// What Prometheus sees.
#pragma once

#include <array>
#include <string>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitoring/metrics/endpoint.h"

namespace sdlora::monitoring {

inline int port_of(const std::string& target) {
  return std::stoi(target.substr(target.rfind(':') + 1));
}

inline int connected_to(int port, bool by_ipv6 = false) {
  const int connection = socket(by_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 address6{};
  address6.sin6_family = AF_INET6;
  address6.sin6_port = address.sin_port;
  address6.sin6_addr = in6addr_loopback;
  EXPECT_EQ(by_ipv6 ? connect(connection, reinterpret_cast<const sockaddr*>(&address6), sizeof address6)
                    : connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  return connection;
}

// A client that begins a request and says no more.
class UnfinishedRequest {
 public:
  explicit UnfinishedRequest(int port) : connection_(connected_to(port)) {
    EXPECT_EQ(send(connection_, "GET /metr", 9, 0), 9);
  }

  ~UnfinishedRequest() { close(connection_); }

  UnfinishedRequest(const UnfinishedRequest&) = delete;
  UnfinishedRequest& operator=(const UnfinishedRequest&) = delete;

 private:
  int connection_;
};

// The whole HTTP answer of a server on this machine.
inline std::string get(int port, const std::string& path, bool by_ipv6 = false) {
  const int connection = connected_to(port, by_ipv6);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(send(connection, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 4096> buffer{};
  for (ssize_t count; (count = recv(connection, buffer.data(), buffer.size(), 0)) > 0;)
    answer.append(buffer.data(), static_cast<size_t>(count));
  close(connection);
  return answer;
}

inline std::string get(const std::string& target, const std::string& path) {
  return get(port_of(target), path, /*by_ipv6=*/target.starts_with('['));
}

inline std::string scrape(const MetricsEndpoint& endpoint) {
  return get(port_of(endpoint.target()), "/metrics");
}

inline std::string scrape(const MetricsRegistry& registry) {
  return scrape(MetricsEndpoint(registry, {"127.0.0.1", 0}));
}

// Whether an answer holds exactly this line.
inline auto HasLine(const std::string& line) {
  return testing::HasSubstr("\n" + line + "\n");
}

}  // namespace sdlora::monitoring
