#include "monitoring/metrics/run_info.h"

#include <algorithm>
#include <cstdlib>

#include <torch/headeronly/version.h>

#include "common/version.h"

namespace sdlora::monitoring {

void export_build(MetricsRegistry& registry, const std::string& backend) {
  registry
      .gauge("sdlora_build_info", "What this build is; always 1",
             {{"version", kVersion}, {"torch", TORCH_VERSION}, {"backend", backend}})
      .set(1);
  registry.gauge("sdlora_start_timestamp_seconds", "When this process was started").set_to_now();
}

void export_world_size(MetricsRegistry& registry, int64_t world_size) {
  registry.gauge("sdlora_world_size", "Ranks of the run").set(static_cast<double>(world_size));
}

void export_run(MetricsRegistry& registry, const RunInfo& info) {
  registry
      .gauge("sdlora_run_info", "What this run is; always 1",
             {{"config_hash", info.config_hash},
              {"data_hash", info.data_hash},
              {"world_size", std::to_string(info.world_size)},
              {"device", info.device},
              {"precision", info.precision}})
      .set(1);
  export_world_size(registry, info.world_size);
  const auto set = [&](const char* name, const char* help, int64_t value) {
    registry.gauge(name, help).set(static_cast<double>(value));
  };
  set("sdlora_run_attempt", "How often the launcher has started the run, this time included; 1 without it",
      info.attempt);
  set("sdlora_max_steps", "Steps at which the run ends", info.max_steps);
  set("sdlora_checkpoint_interval_steps", "Steps between checkpoints; 0 when only the end is saved",
      info.checkpoint_interval_steps);
  registry.counter("sdlora_restarts_total", "Restarts of the run so far, over all its processes")
      .add(static_cast<double>(info.attempt - 1));
}

int64_t attempt_of_launcher() {
  const char* text = std::getenv("SDLORA_RUN_ATTEMPT");
  return text == nullptr ? 1 : std::max<int64_t>(1, std::strtoll(text, nullptr, 10));
}

}  // namespace sdlora::monitoring
