// The HTTP endpoint that serves the metrics of one rank under /metrics. Nothing here stops a run: without a
// port it goes on unwatched, after one warning.
#pragma once

#include <memory>
#include <string>

#include "monitoring/metrics/registry.h"

namespace prometheus {
class Exposer;
}  // namespace prometheus

namespace sdlora::monitoring {

class MetricsEndpoint {
 public:
  // Serves on address:port; port 0 takes a free one, and so does, with a warning, a port that is in use.
  // Starts threads: not before a fork.
  MetricsEndpoint(const MetricsRegistry& registry, const std::string& address, int port);
  ~MetricsEndpoint();

  // Where Prometheus finds it: "127.0.0.1:9400", or this host's name when it listens on all addresses. Empty
  // when nothing is served.
  const std::string& target() const { return target_; }

 private:
  std::shared_ptr<prometheus::Collectable> metrics_;  // the exposer only looks at it
  std::string address_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::string target_;
};

// The port of a rank: `port` + its number among those of its host; 0 stays 0, any free one.
int port_of_rank(int port, int local_rank);

}  // namespace sdlora::monitoring
