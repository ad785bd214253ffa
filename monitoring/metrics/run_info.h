// What a run, and the program that does it, are: metrics that are set once.
#pragma once

#include <cstdint>
#include <string>

#include "monitoring/metrics/registry.h"

namespace sdlora::monitoring {

// `backend`: what computes, "AVX512" or "CUDA".
void export_build(MetricsRegistry& registry, const std::string& backend);

void export_world_size(MetricsRegistry& registry, int64_t world_size);

struct RunInfo {
  std::string config_hash;  // of all settings that decide the result; equal hashes, equal adapters
  std::string data_hash;
  std::string device;     // cpu, cuda
  std::string precision;  // no, fp16, bf16
  int64_t world_size = 1;
  int64_t attempt = 1;  // how often the run has been started
  int64_t max_steps = 0;
  int64_t checkpoint_interval_steps = 0;  // 0: only the end is saved
};

void export_run(MetricsRegistry& registry, const RunInfo& info);

// The number of this attempt, as the launcher tells it (SDLORA_RUN_ATTEMPT); 1 without it.
int64_t attempt_of_launcher();

}  // namespace sdlora::monitoring
