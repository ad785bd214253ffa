// Before the first step the ranks compare what must be equal, so that a difference is one clear message
// instead of a wrong sum.
#pragma once

#include <map>
#include <string>

#include "comm/communicator.h"
#include "model/model_source.h"
#include "trainer/options/train_config.h"
#include "trainer/run/loaded_run.h"

namespace sdlora::trainer {

using RankFingerprint = std::map<std::string, std::string>;

// (all ranks) `fingerprint`: what this rank has, by name. Throws Error(kMismatch) on every rank. The message
// names the first rank that differs from rank 0, what differs, and both values.
void compare_ranks(comm::Communicator& world, const RankFingerprint& fingerprint);

// (all ranks) Build and settings, before the ranks do anything together that depends on them.
void compare_builds_and_settings(comm::Communicator& world, const TrainConfig& config);

// (all ranks) Data, model, parameter layout, and how this rank computes. `model_hash`: of this rank's own
// files.
void compare_loaded(comm::Communicator& world, const LoadedRun& loaded, const std::string& model_hash,
                    const RankFingerprint& more);

// (all ranks) A and B, the optimiser's state and the loss scale after `step` steps. Copies them to the host.
void compare_parameters(comm::Communicator& world, const LoadedRun& loaded, int64_t step);

// (all ranks) The SHA-256 of the UNet's files as this rank sees them. The local rank 0 of a host reads them;
// the others of that host take its result where their files are the same ones, so that N ranks do not read a
// model N times.
std::string hash_model_once_per_host(comm::Communicator& world, const model::ModelSource& model);

}  // namespace sdlora::trainer
