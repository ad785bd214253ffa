// The HTTP endpoint that serves the metrics of one rank under /metrics. Nothing here stops a run: without a
// port it goes on unwatched, after one warning.
#pragma once

#include <memory>
#include <string>

#include "monitoring/metrics/registry.h"

namespace sdlora::monitoring {

// Where it listens, and what it tells Prometheus.
struct EndpointAddress {
  std::string listen =
      "127.0.0.1";         // an address of this host, IPv6 with or without brackets; 0.0.0.0, ::: all
  int port = 0;            // 0: a free one
  std::string advertised;  // host name or address; empty: `listen`, or for all addresses this host's
                           // name, or where that does not resolve an address of its own
};

class MetricsEndpoint {
 public:
  // A port that is in use gives way to a free one, with a warning. Starts threads: not before a fork.
  MetricsEndpoint(const MetricsRegistry& registry, const EndpointAddress& address);
  ~MetricsEndpoint();

  // Where Prometheus finds it: "127.0.0.1:18400", "[fd00::2]:18400". Empty when nothing is served.
  const std::string& target() const { return target_; }

 private:
  struct Server;
  std::unique_ptr<Server> server_;
  std::string target_;
};

// The port of a rank: `port` + its number among those of its host; 0 stays 0, any free one.
int port_of_rank(int port, int local_rank);

}  // namespace sdlora::monitoring
