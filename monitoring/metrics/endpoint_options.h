// The options of every program that serves metrics.
#pragma once

#include <string>

#include "common/options.h"
#include "monitoring/metrics/endpoint.h"

namespace sdlora::monitoring {

struct EndpointOptions {
  // For the first rank of a host. Far from the list of exporters' ports (9100 to 9999 and on from 10000),
  // where 9400, say, is that of NVIDIA's DCGM exporter.
  int port = 18400;  // + local rank; 0: a free one
  std::string address = "127.0.0.1";
  std::string advertised;  // empty: by `address`

  void declare(OptionGroup& group);

  EndpointAddress of_rank(int local_rank) const;
};

}  // namespace sdlora::monitoring
