#include "trainer/options/watching_options.h"

namespace sdlora::trainer {

void WatchingOptions::declare(OptionGroup group) {
  group.add("log-format", log_format, Scope::kRun, "of the terminal and the log files: text, or json (lines)")
      .one_of({{"text", log::Format::kText}, {"json", log::Format::kJson}});
  group.add("metrics-port", metrics_port, Scope::kRank, "Prometheus port, + local rank; 0: a free one")
      .between(0, 65535);
  group.add("metrics-address", metrics_address, Scope::kRank, "address the metrics are served on");
  group.add("tensorboard", writes_tensorboard, Scope::kRun,
            "write event files for TensorBoard into OUTPUT/tensorboard");
  group.add("trace-dir", trace_directory, Scope::kRank, "record every step's inputs and results here");
}

}  // namespace sdlora::trainer
