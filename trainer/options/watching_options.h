// How a run is watched.
#pragma once

#include <filesystem>
#include <string>

#include "common/log.h"
#include "common/options.h"

namespace sdlora::trainer {

struct WatchingOptions {
  log::Format log_format = log::Format::kText;
  int metrics_port = 9400;  // + local rank; 0: a free port
  std::string metrics_address = "127.0.0.1";
  bool writes_tensorboard = false;
  std::filesystem::path trace_directory;  // empty: no trace

  void declare(OptionGroup group);
};

}  // namespace sdlora::trainer
