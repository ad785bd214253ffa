// A run in words, before its first step.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.h"
#include "monitoring/records/table_row.h"
#include "trainer/run/loaded_run.h"

namespace sdlora::trainer {

struct StartupContext {
  int rank_count;
  int64_t first_step;
  at::Device device;
  std::string hosts;  // describe_hosts()
};

// (all ranks) Where the ranks are, and what they compute with: "n01 (2 ranks: 4 threads on cores 0-7 each),
// n02 (1 rank: …)".
std::string describe_hosts(comm::Communicator& world);

// Model, noise, data, LoRA, batch arithmetic, optimiser, precision, devices, hosts, memory, output.
std::vector<monitoring::TableRow> startup_table(const TrainConfig& config, const LoadedRun& loaded,
                                                const StartupContext& context);

}  // namespace sdlora::trainer
