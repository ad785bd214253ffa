// One training step.
#pragma once

#include "comm/watchdog.h"
#include "lora/adapter.h"
#include "model/loading/compute_mode.h"
#include "model/noise/noise_schedule.h"
#include "monitoring/metrics/phase_clock.h"
#include "trainer/batches/batch_share.h"
#include "trainer/batches/micro_batch.h"
#include "trainer/optimizers/optimizer.h"
#include "trainer/options/loss_options.h"
#include "trainer/step/gradient_reducer.h"
#include "trainer/step/learning_rate.h"
#include "trainer/step/loss_scaler.h"
#include "trainer/step/micro_batch_graph.h"
#include "trainer/step/networks.h"
#include "trainer/step/nonfinite_record.h"
#include "trainer/step/trace.h"

namespace sdlora::trainer {

// What this rank's samples of a micro-batch were like, for the metrics: mean squared errors.
struct SampleLosses {
  at::Tensor timesteps;  // [B] i64
  at::Tensor losses;     // [B] f32
};

struct StepResult {
  double loss;           // mean over the global batch; NaN when any was not finite
  double gradient_norm;  // before clipping; NaN when the step is skipped
  double learning_rate;  // of the update, or of the one that was skipped
  double loss_scale;
  bool is_skipped;            // nothing was updated
  bool is_loss_scale_search;  // skipped only since fp16's loss scale was too high: no fault of data or model
  bool stop_was_requested;
  std::vector<SampleLosses> sample_losses;     // of this rank, by micro-batch
  double own_seconds;                          // of this rank's work before the reduction
  std::vector<NonfiniteMicroBatch> nonfinite;  // this rank's
};

// A step and all that it works on, which LoadedRun owns and a checkpoint remembers. Made once a run; what it
// refers to must outlive it.
struct TrainingStep {
  const BatchShare share;
  const model::ComputeMode mode;
  const LearningRateSchedule learning_rate;
  const double max_gradient_norm;  // 0: no clipping
  const LossKind loss;
  const Networks networks;
  const model::NoiseSchedule& schedule;
  MicroBatchMaker& batches;
  lora::Adapter& adapter;
  Optimizer& optimizer;
  LossScaler& loss_scaler;
  GradientReducer& reducer;
  MicroBatchGraph* const graph;  // nullptr: each operation is started by the host
  const Trace& trace;
  comm::Watchdog& watchdog;
  monitoring::PhaseClock& clock;

  // (all ranks) Makes it `step` steps done: steps are counted so everywhere, in files, metrics and messages.
  // Only what is addressed by the steps done before it (draws, learning rates) gets step - 1, here alone.
  // `stop_requested`: this rank was asked to stop.
  StepResult run(int64_t step, comm::Communicator& gradients_comm, bool stop_requested);

  // All that is computed of a micro-batch, up to its part in the sum; what a CUDA graph records. Waits for no
  // device.
  MicroBatchResult compute(const MicroBatch& batch);
};

}  // namespace sdlora::trainer
