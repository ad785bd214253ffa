// How a run is watched.
#pragma once

#include <filesystem>
#include <string>

#include "common/log.h"
#include "common/options.h"
#include "monitoring/metrics/endpoint_options.h"

namespace sdlora::trainer {

struct WatchingOptions {
  log::Format log_format = log::Format::kText;
  monitoring::EndpointOptions metrics;
  bool writes_tensorboard = false;
  std::filesystem::path trace_directory;  // empty: no trace

  void declare(OptionGroup group);
};

}  // namespace sdlora::trainer
