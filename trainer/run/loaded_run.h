// A run in memory: what the options name (model, data), loaded and checked, and what is trained on it (the
// adapter, its optimiser). What only watches a run is not in it.
#pragma once

#include <memory>
#include <optional>

#include "model/model_source.h"
#include "trainer/batches/batch_share.h"
#include "trainer/batches/sample_split.h"
#include "trainer/run/run_checkpoint.h"
#include "trainer/run/run_length.h"
#include "trainer/step/step.h"
#include "trainer/step/validation.h"

namespace sdlora::trainer {

struct LoadedRun {
  // Loads model and data, attaches the adapter; nothing is trained yet, or restored from a checkpoint. No
  // communication: a rank that fails throws Error (65, 64, 74 as the cause may be).
  LoadedRun(const TrainConfig& config, const BatchShare& share, at::Device device);

  // Stays as it is loaded.
  BatchShare share;
  data::Dataset dataset;
  model::ComputeMode mode;
  std::optional<data::Dataset> validation_dataset;  // of --validation-data
  SampleSplit split;                                // of `dataset`
  RunLength length;
  model::ModelSource model_source;
  model::UNet unet;
  std::unique_ptr<model::ClipTextReader> text_reader;  // where its text encoder is trained
  model::NoiseSchedule schedule;

  // Changes with every step, and is what a checkpoint holds.
  lora::Adapter adapter;
  std::unique_ptr<Optimizer> optimizer;
  LossScaler loss_scaler;

  // Tools, without a memory that the next step depends on.
  std::unique_ptr<GradientReducer> reducer;
  std::unique_ptr<TextEmbeddings> text_embeddings;  // where captions make new texts, and it is not trained
  MicroBatchMaker batches;
  Trace trace;
  std::unique_ptr<MicroBatchGraph> graph;  // with --cuda-graph
  std::optional<Validation> validation;    // with --validation-every

  Networks networks() const { return {.unet = unet, .text_reader = text_reader.get()}; }

  bool reads_texts() const { return text_embeddings || text_reader; }

  // Values of all that is frozen in them.
  int64_t base_parameter_count() const;

  // The step on all of this. `watchdog` and `clock` must outlive it, and so must this.
  TrainingStep training_step(const TrainConfig& config, comm::Watchdog& watchdog,
                             monitoring::PhaseClock& clock);
};

// The cache must come from the model's own VAE and text encoder, where the model has them; reads
// both. Throws Error(kBadData) naming both hashes.
void check_data_was_cached_with(const model::ModelSource& model, const data::Dataset& dataset,
                                const std::filesystem::path& data_directory);

// The same for its tokenizer, which matters where captions are encoded.
void check_tokenizer(const model::ModelSource& model, const data::Dataset& dataset,
                     const std::filesystem::path& data_directory);

}  // namespace sdlora::trainer
