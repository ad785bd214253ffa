// The checkpoints of one run directory: OUTPUT/checkpoint-step-N/, each complete or absent.
//
//   checkpoint-step-100/
//     adapter.safetensors  optimizer.safetensors  state.json
//     MANIFEST.json        written last: format version, step, and size and SHA-256 of each of these
//     …                    what Checkpoint::write_more writes
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/named_tensors.h"

namespace sdlora::checkpoint {

inline constexpr std::string_view kCheckpointPrefix = "checkpoint-step-";  // and the step
std::string checkpoint_name(int64_t step);  // of its directory: "checkpoint-step-100"

struct Checkpoint {
  int64_t step = 0;               // optimiser steps done
  NamedTensors adapter;           // A and B, fp32
  NamedTensors optimizer;         // its state
  std::string state_json = "{}";  // what the trainer wants to remember

  // Writes further files into the directory that it is given, for people: no run goes on from them, and the
  // manifest does not have them. Each must reach the disk (atomic_file.h).
  std::function<void(const std::filesystem::path& directory)> write_more = {};
};

// Writes under a temporary directory name, fsyncs every file and folder, renames. A checkpoint of the same
// step is replaced. On failure nothing of it is left and older checkpoints are untouched. Throws Error(kIo).
// (rank 0 only)
void save_checkpoint(const std::filesystem::path& run_directory, const Checkpoint& checkpoint);

// Verifies the manifest, sizes and hashes, then reads. Throws Error(kBadData) naming the file and the flaw.
Checkpoint load_checkpoint(const std::filesystem::path& checkpoint_directory);

struct NewestCheckpoint {
  std::optional<Checkpoint> checkpoint;      // empty: the run directory has none at all
  std::filesystem::path directory;           // of `checkpoint`
  std::vector<std::string> skipped_reasons;  // one line for each newer one that was not valid
};

// The valid checkpoint of the highest step; changes nothing on disk. A checkpoint that a dead save had moved
// aside counts where its replacement is missing or bad. Throws Error(kBadData) when there are some and all
// are bad.
NewestCheckpoint load_newest_checkpoint(const std::filesystem::path& run_directory);

// Removes all checkpoints of steps below `newest_step` but the newest; with that of `newest_step`,
// `keep_count` (1 or more) are left. Those of later steps, which this run did not make, are not touched.
// Throws Error(kIo). (rank 0 only)
void remove_old_checkpoints(const std::filesystem::path& run_directory, int64_t newest_step,
                            int64_t keep_count);

// Removes the temporary directories and files that dead attempts left behind, and puts back a checkpoint that
// a dead save had moved aside to replace it. (rank 0 only, while this run owns the directory)
void remove_leftovers(const std::filesystem::path& run_directory);

}  // namespace sdlora::checkpoint
