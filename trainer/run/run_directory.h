// The run directory, --output: created, writable, its log opened, the resolved config kept.
#pragma once

#include "comm/communicator.h"
#include "trainer/options/train_config.h"

namespace sdlora::trainer {

// (all ranks) Throws Error(kUsage), before anything is written, for an output in which a run would replace
// what is not its own: with --resume none one that holds a run; else one without a checkpoint that holds an
// adapter, or, where no run has been before, files with the names of a run's.
void refuse_a_used_directory(const TrainConfig& config, comm::Communicator& world);

// (all ranks) Creates the directory, tries to write in it, removes what dead attempts left, and appends the
// log to log.txt (rank 0) or log-rank-N.txt. Throws Error(kIo) on every rank when rank 0 cannot write.
void open_run_directory(const TrainConfig& config, comm::Communicator& world);

// Where this rank's flight record goes; empty where nothing shall be written.
std::filesystem::path flight_record_file(const TrainConfig& config, const comm::Communicator& world);

// (all ranks; rank 0 writes) OUTPUT/config.toml
void write_resolved_config(const TrainConfig& config, comm::Communicator& world);

}  // namespace sdlora::trainer
