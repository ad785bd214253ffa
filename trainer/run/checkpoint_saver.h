// Saves the checkpoints of a run, keeps as many as are wanted, and bears a file system that fails now and
// then: the run goes on, and the older checkpoint counts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "checkpoint/checkpoint_store.h"
#include "comm/communicator.h"

namespace sdlora::trainer {

class CheckpointSaver {
 public:
  // `keep_count`: of the newest checkpoints; 0: all.
  CheckpointSaver(std::filesystem::path run_directory, int64_t keep_count, comm::Communicator& world);

  // (all ranks) Rank 0 writes what `contents` returns there; true on every rank when that is done. A file
  // system that refuses is warned of, and false is returned; the third refusal in a row, or one
  // where the run cannot go on without (`is_last`), is thrown on every rank: Error(kIo).
  bool save(const std::function<checkpoint::Checkpoint()>& contents, bool is_last);

 private:
  void remove_old(int64_t newest_step) const;

  const std::filesystem::path run_directory_;
  const int64_t keep_count_;
  comm::Communicator& world_;
  int failures_in_a_row_ = 0;
};

}  // namespace sdlora::trainer
