// The loss on pictures that are not trained on, so that learning can be told from memorising. Everything
// random is fixed: each sample is judged with the same noise at the same four timesteps, one in each quarter,
// at every step of every run, so that two figures differ by the adapter alone.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "comm/communicator.h"
#include "comm/exact_sum.h"
#include "comm/watchdog.h"
#include "data/dataset.h"
#include "model/loading/compute_mode.h"
#include "model/noise/noise_schedule.h"
#include "monitoring/records/validation_record.h"
#include "trainer/batches/micro_batch.h"
#include "trainer/step/networks.h"

namespace sdlora::trainer {

struct ValidationResult {
  double loss;  // mean over samples and quarters; NaN when any was not finite
  std::array<double, monitoring::kTimestepQuarters> quarter_losses;
  bool was_interrupted;  // a rank was asked to stop: the losses are not whole
};

class Validation {
 public:
  // Judges `samples` of `dataset`, `micro_batch_size` (sample, timestep) pairs a forward, by what counts of
  // them (mask_weights(); nothing: masks do not count). Throws Error(kUsage) for none or more than the exact
  // sum can take.
  Validation(const data::Dataset& dataset, std::vector<int64_t> samples, const model::NoiseSchedule& schedule,
             const model::ComputeMode& mode, int64_t micro_batch_size,
             std::optional<double> weight_outside_masks = std::nullopt);

  int64_t sample_count() const { return static_cast<int64_t>(samples_.size()); }

  // (all ranks) The ranks share the pairs and get the same result, whatever their number. Without gradients,
  // and without a draw that training could notice. `stop_requested` is asked before every forward.
  ValidationResult run(const Networks& networks, comm::Communicator& sums_comm, comm::Watchdog& watchdog,
                       const std::function<bool()>& stop_requested);

 private:
  // Neighbouring pairs that go through the UNet together: of samples of one size.
  struct PairGroup {
    int64_t first_pair;
    int64_t pair_count;
  };

  void add_to_groups(int64_t pair);

  // Pair p is sample p / 4 at its timestep of quarter p % 4, and slot p of the batch.
  MicroBatch draw(const Networks& networks, int64_t first_pair, int64_t pair_count) const;
  void add_losses(const Networks& networks, int64_t first_pair, int64_t pair_count);
  ValidationResult result() const;

  const data::Dataset& dataset_;
  std::vector<int64_t> samples_;
  const model::NoiseSchedule& schedule_;
  model::ComputeMode mode_;
  int64_t micro_batch_size_;
  std::optional<double> weight_outside_masks_;
  std::vector<PairGroup> groups_;
  comm::ExactSum sum_;
};

}  // namespace sdlora::trainer
