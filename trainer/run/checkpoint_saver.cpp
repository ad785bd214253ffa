#include "trainer/run/checkpoint_saver.h"

#include <fmt/format.h>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/log.h"

namespace sdlora::trainer {
namespace {

constexpr int kMostFailuresInARow = 3;

}  // namespace

CheckpointSaver::CheckpointSaver(std::filesystem::path run_directory, int64_t keep_count,
                                 comm::Communicator& world)
    : run_directory_(std::move(run_directory)), keep_count_(keep_count), world_(world) {}

bool CheckpointSaver::save(const std::function<checkpoint::Checkpoint()>& contents, bool is_last) {
  std::string refusal;               // empty: saved
  comm::fail_together(world_, [&] {  // (rank 0 writes)
    if (world_.rank() != 0) return;
    try {
      const checkpoint::Checkpoint checkpoint = contents();
      checkpoint::save_checkpoint(run_directory_, checkpoint);
      remove_old(checkpoint.step);
    } catch (const Error& error) {
      if (error.exit_code() != ExitCode::kIo) throw;
      refusal = error.what();
    }
  });
  world_.broadcast(refusal, /*root=*/0);
  if (refusal.empty()) {
    failures_in_a_row_ = 0;
    return true;
  }
  ++failures_in_a_row_;
  if (is_last || failures_in_a_row_ == kMostFailuresInARow)
    throw comm::CommonError(
        ExitCode::kIo,
        fmt::format("{}\n  after: {} failed save(s) in a row; the newest checkpoint is intact: run the "
                    "same command again to go on from it",
                    refusal, failures_in_a_row_));
  if (world_.rank() == 0)
    log::warning(
        fmt::format("no checkpoint was saved ({} of {} failures in a row); the training goes on and "
                    "the older one counts: {}",
                    failures_in_a_row_, kMostFailuresInARow, refusal));
  return false;
}

// The new checkpoint is whole by now: an old one that stays is no failure.
void CheckpointSaver::remove_old(int64_t newest_step) const {
  if (keep_count_ == 0) return;
  try {
    checkpoint::remove_old_checkpoints(run_directory_, newest_step, keep_count_);
  } catch (const Error& error) {
    log::warning(std::string("an old checkpoint stays: ") + error.what());
  }
}

}  // namespace sdlora::trainer
