// A run as TensorBoard shows it: curves and preview pictures. Nothing here stops a training: when an event
// cannot be written, there is one warning and no more events.
#pragma once

#include <functional>
#include <memory>

#include "monitoring/records/moving_average.h"
#include "monitoring/records/step_record.h"
#include "monitoring/records/validation_record.h"
#include "monitoring/tensorboard/tensorboard_file.h"

namespace sdlora::monitoring {

class TensorboardLog {
 public:
  // Goes on after `first_step` steps of the run in `run_directory`: what earlier attempts wrote of later
  // steps is void, and the smoothed loss goes on from that of metrics.jsonl. Events are written into
  // RUN_DIRECTORY/tensorboard.
  TensorboardLog(const std::filesystem::path& run_directory, int64_t first_step);

  void record_step(const StepRecord& record);
  void record_validation(const ValidationRecord& record);

  // RUN_DIRECTORY/previews/step-N, with the tags "preview/00 PROMPT".
  void record_previews(int64_t step);

 private:
  void attempt(const std::function<void()>& write);

  std::filesystem::path run_directory_;
  std::unique_ptr<TensorboardFile> file_;
  bool has_given_up_ = false;
  MovingAverage smoothed_loss_;
};

}  // namespace sdlora::monitoring
