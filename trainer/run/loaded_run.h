// Everything a run is made of, loaded and checked before the first step.
#pragma once

#include <memory>
#include <optional>

#include "model/model_source.h"
#include "trainer/batches/sample_split.h"
#include "trainer/run/run_checkpoint.h"
#include "trainer/step/step.h"
#include "trainer/step/validation.h"

namespace sdlora::trainer {

struct LoadedRun {
  // Loads model and data, attaches the adapter. No communication: a rank that fails throws Error (65, 64, 74
  // as the cause may be).
  LoadedRun(const TrainConfig& config, const BatchShare& share, at::Device device);

  BatchShare share;
  model::ComputeMode mode;
  data::Dataset dataset;
  std::optional<data::Dataset> validation_dataset;  // of --validation-data
  SampleSplit split;                                // of `dataset`
  model::ModelDirectory model_directory;
  model::UNet unet;
  model::NoiseSchedule schedule;
  lora::Adapter adapter;
  AdamW optimizer;
  LossScaler loss_scaler;
  std::unique_ptr<GradientReducer> reducer;
  MicroBatchMaker batches;
  Trace trace;
  std::unique_ptr<MicroBatchGraph> graph;  // with --cuda-graph
  std::optional<Validation> validation;    // with --validation-every

  StepSettings step_settings(const TrainConfig& config) const;
  StepParts step_parts(comm::Watchdog& watchdog, monitoring::PhaseClock& clock);
};

// The cache must come from the model's own VAE and text encoder, where the model directory has them; reads
// both. Throws Error(kBadData) naming both hashes.
void check_data_was_cached_with(const model::ModelDirectory& model, const data::Dataset& dataset,
                                const std::filesystem::path& data_directory);

// Splits the batch: ranks × micro-batch must divide it. `micro_batch_size` 0: batch size / ranks.
// Throws Error(kUsage) with the arithmetic when it does not.
BatchShare share_batch(int64_t batch_size, int64_t micro_batch_size, int rank, int rank_count);

}  // namespace sdlora::trainer
