#include "monitoring/metrics/endpoint_options.h"

namespace sdlora::monitoring {

void EndpointOptions::declare(OptionGroup& group) {
  group.add("metrics-port", port, Scope::kRank, "Prometheus port, + local rank; 0: a free one")
      .between(0, 65535);
  group.add("metrics-address", address, Scope::kRank,
            "address the metrics are served on, IPv4 or IPv6; 0.0.0.0 or :: for all");
  group
      .add("metrics-advertise", advertised, Scope::kRank,
           "host name or address by which Prometheus reaches this rank, for metrics_targets.json")
      .default_shown("the address served on, or the host's name");
}

EndpointAddress EndpointOptions::of_rank(int local_rank) const {
  return {.listen = address, .port = port_of_rank(port, local_rank), .advertised = advertised};
}

}  // namespace sdlora::monitoring
