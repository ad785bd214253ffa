// What a run was like, in a few lines at its end.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <vector>

#include "monitoring/records/moving_average.h"
#include "monitoring/records/step_record.h"
#include "monitoring/records/table_row.h"
#include "monitoring/records/validation_record.h"

namespace sdlora::monitoring {

// Of this process's part of the run: the steps of earlier attempts are not counted.
class RunSummary {
 public:
  void record_step(const StepRecord& record, int64_t samples);
  void record_validation(const ValidationRecord& record);

  // Time, speed, losses, skipped steps, and the files in `run_directory`.
  std::vector<TableRow> rows(const std::filesystem::path& run_directory) const;

 private:
  struct Loss {
    double value;
    int64_t step;
  };

  static void keep_lower(std::optional<Loss>& best, const Loss& loss);

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int64_t step_count_ = 0;
  int64_t sample_count_ = 0;
  double step_seconds_ = 0;
  MovingAverage smoothed_loss_;
  std::optional<Loss> best_loss_;  // smoothed
  std::optional<Loss> best_validation_loss_;
  std::optional<Loss> last_validation_loss_;
  std::vector<int64_t> skipped_steps_;
};

}  // namespace sdlora::monitoring
