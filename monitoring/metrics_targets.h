// metrics_targets.json: tells Prometheus which endpoints a run has (file_sd_configs).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace sdlora::monitoring {

struct MetricsTarget {
  std::string address;  // "127.0.0.1:9400"; targets without one are left out
  std::map<std::string, std::string> labels;
};

// (rank 0 only) Writes [{"targets":["127.0.0.1:9400"],"labels":{"rank":"0"}}, …] complete or not at all,
// since Prometheus reads it at any moment. Throws Error(kIo).
void write_metrics_targets(const std::filesystem::path& file, const std::vector<MetricsTarget>& targets);

}  // namespace sdlora::monitoring
