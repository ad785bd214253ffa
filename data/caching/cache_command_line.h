// The command line of cache_latents.
#pragma once

#include "common/device_kind.h"
#include "common/options.h"
#include "data/caching/cache_options.h"
#include "monitoring/metrics/endpoint_options.h"

namespace sdlora::data {

struct CacheCommand {
  CacheOptions options;
  DeviceKind device = DeviceKind::kAuto;
  int cpu_threads = 0;  // of each rank; 0: cores / local ranks
  monitoring::EndpointOptions metrics;
  bool wants_verify = false;
  bool wants_info = false;
  std::filesystem::path cache;  // of verify and info
};

// `command` must outlive the parsing.
void declare_options(CLI::App& app, CacheCommand& command);

// --model, --images and --output, which verify and info do without, must be there, and the rules of buckets
// must be possible. Throws Error(kUsage).
void check_options(const CacheCommand& command);

// --cpu-threads, or for 0 this rank's share of the host's cores; fewer where the pictures of all of them
// would take more than half of the host's or the container's memory (about 1 GiB each at 512 pixels).
int encoder_threads(const CacheCommand& command, int local_rank_count);

}  // namespace sdlora::data
