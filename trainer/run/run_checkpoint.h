// What a checkpoint of a run holds, and whether a run may go on from one.
#pragma once

#include "checkpoint/checkpoint_store.h"
#include "trainer/options/train_config.h"
#include "trainer/step/loss_scaler.h"

namespace sdlora::trainer {

// Everything besides the tensors that the next step depends on.
struct RunState {
  int64_t step = 0;                   // steps done
  int64_t consecutive_nonfinite = 0;  // steps skipped in a row
  LossScaler::State loss_scaler;
  int64_t micro_batch_size = 0;
  int64_t cpu_threads = 0;                          // of each rank
  std::string cpu_kernels;                          // describe_arithmetic()
  std::string data_hash;                            // SHA-256 of the cache's manifest
  std::string model_hash;                           // SHA-256 of the UNet
  std::string noise_schedule;                       // NoiseSchedule::identity(); empty: not said
  std::string init_adapter_hash;                    // SHA-256 of the file of --init-adapter; empty: none
  std::map<std::string, std::string> settings;      // defining_settings()
  std::map<std::string, double> other_alphas = {};  // Adapter::other_alphas, for who reads its adapter alone
};

std::string to_json(const RunState& state);

// Throws Error(kBadData) naming `where`.
RunState run_state_from_json(const std::string& json, const std::string& where);

// Throws Error(kMismatch) listing the settings, data or model in which the checkpoint and this run differ.
// Compared are the settings of both: one that the checkpoint does not know had its default, one that only
// the checkpoint knows is a difference. `options`: of this run, for defaults and equal spellings.
// `max-steps` and `max-epochs` may change. Then the returned text warns that the learning-rate schedule
// changes; otherwise it is empty.
std::string check_resumable(const RunState& saved, const RunState& mine, const Settings& options);

}  // namespace sdlora::trainer
