// One training step.
#pragma once

#include "comm/watchdog.h"
#include "lora/adapter.h"
#include "model/loading/compute_mode.h"
#include "model/noise/noise_schedule.h"
#include "monitoring/metrics/phase_clock.h"
#include "trainer/batches/micro_batch.h"
#include "trainer/step/gradient_reducer.h"
#include "trainer/step/learning_rate.h"
#include "trainer/step/loss_scaler.h"
#include "trainer/step/micro_batch_graph.h"
#include "trainer/step/nonfinite_record.h"
#include "trainer/step/optimizer.h"
#include "trainer/step/trace.h"

namespace sdlora::trainer {

// Which slots of the global batch this rank computes, and in which portions.
struct BatchShare {
  int64_t batch_size;        // samples per step over all ranks
  int64_t micro_batch_size;  // samples per forward
  int64_t first_slot;        // of this rank
  int64_t slot_count;        // of this rank: batch_size / ranks

  int64_t micro_batch_count() const { return batch_size / micro_batch_size; }  // of all ranks

  // The first slot of each of this rank's.
  std::vector<int64_t> micro_batches() const {
    std::vector<int64_t> slots;
    for (int64_t slot = first_slot; slot < first_slot + slot_count; slot += micro_batch_size)
      slots.push_back(slot);
    return slots;
  }
};

// What this rank's samples of a micro-batch were like, for the metrics.
struct SampleLosses {
  at::Tensor timesteps;  // [B] i64
  at::Tensor losses;     // [B] f32
};

struct StepResult {
  double loss;           // mean over the global batch; NaN when any was not finite
  double gradient_norm;  // before clipping; NaN when the step is skipped
  double learning_rate;
  double loss_scale;
  bool is_skipped;  // nothing was updated
  bool
      is_loss_scale_search;  // skipped only because fp16's loss scale was too high: no fault of data or model
  bool stop_was_requested;
  std::vector<SampleLosses> sample_losses;     // of this rank, by micro-batch
  double own_seconds;                          // of this rank's work before the reduction
  std::vector<NonfiniteMicroBatch> nonfinite;  // this rank's
};

// Everything a step works on. The trainer owns the loaded; their state is what a checkpoint holds.
struct StepParts {
  const model::UNet& unet;
  const model::NoiseSchedule& schedule;
  MicroBatchMaker& batches;
  lora::Adapter& adapter;
  AdamW& optimizer;
  LossScaler& loss_scaler;
  GradientReducer& reducer;
  MicroBatchGraph* graph;  // nullptr: each operation is started by the host
  const Trace& trace;
  comm::Watchdog& watchdog;
  monitoring::PhaseClock& clock;
};

struct StepSettings {
  BatchShare share;
  model::ComputeMode mode;
  LearningRateSchedule learning_rate;
  double max_gradient_norm;
};

// (all ranks) Runs step number `step`, counted from 0. `stop_requested`: this rank was asked to stop.
StepResult train_step(int64_t step, const StepSettings& settings, const StepParts& loaded,
                      comm::Communicator& gradients_comm, bool stop_requested);

}  // namespace sdlora::trainer
