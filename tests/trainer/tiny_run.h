// A run of the small model on a small cache, as its command line has it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/trainer/tiny_training.h"
#include "trainer/run/loaded_run.h"

namespace sdlora::trainer {

struct TinyRun {
  // `options`: besides the places and four samples a step. The run directory is there and empty.
  explicit TinyRun(const std::vector<std::string>& options = {}, const TinyCache& cache = {});

  // With the share of rank 0.
  LoadedRun load(int rank_count = 1) const;

  TemporaryFolder folder;  // cache/, run/
  TrainConfig config;
  std::unique_ptr<comm::Communicator> world = comm::make_single_process_communicator();
  comm::Watchdog watchdog{
      "a test", world->log(), {std::chrono::seconds(60), std::chrono::seconds(60)}, /*record_file=*/{}};
};

}  // namespace sdlora::trainer
