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

// The whole HTTP answer of a server on this machine.
inline std::string get(int port, const std::string& path) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(send(connection, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string answer;
  std::array<char, 4096> buffer{};
  for (ssize_t count; (count = recv(connection, buffer.data(), buffer.size(), 0)) > 0;)
    answer.append(buffer.data(), static_cast<size_t>(count));
  close(connection);
  return answer;
}

inline std::string scrape(const MetricsEndpoint& endpoint) {
  return get(port_of(endpoint.target()), "/metrics");
}

inline std::string scrape(const MetricsRegistry& registry) {
  return scrape(MetricsEndpoint(registry, "127.0.0.1", 0));
}

// Whether an answer holds exactly this line.
inline auto HasLine(const std::string& line) {
  return testing::HasSubstr("\n" + line + "\n");
}

}  // namespace sdlora::monitoring
