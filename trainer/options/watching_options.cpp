#include "trainer/options/watching_options.h"

namespace sdlora::trainer {

void WatchingOptions::declare(OptionGroup group) {
  group.add("log-format", log_format, Scope::kRun, "of the terminal and the log files: text, or json (lines)")
      .one_of({{"text", log::Format::kText}, {"json", log::Format::kJson}});
  metrics.declare(group);
  group.add("tensorboard", writes_tensorboard, Scope::kRun,
            "write event files for TensorBoard into OUTPUT/tensorboard");
  group.add("trace-dir", trace_directory, Scope::kRank, "record every step's inputs and results here");
}

}  // namespace sdlora::trainer
