// Everything a run is asked for: the options of `trainer`, a struct for each group of them, and what they
// were set to, for files and for comparing runs.
#pragma once

#include "trainer/options/adapter_options.h"
#include "trainer/options/batch_options.h"
#include "trainer/options/caption_options.h"
#include "trainer/options/checkpoint_options.h"
#include "trainer/options/compute_options.h"
#include "trainer/options/loss_options.h"
#include "trainer/options/noise_options.h"
#include "trainer/options/optimizer_options.h"
#include "trainer/options/place_options.h"
#include "trainer/options/preview_options.h"
#include "trainer/options/process_options.h"
#include "trainer/options/schedule_options.h"
#include "trainer/options/shared_file_options.h"
#include "trainer/options/timestep_options.h"
#include "trainer/options/validation_options.h"
#include "trainer/options/watching_options.h"

namespace sdlora::trainer {

struct TrainConfig {
  PlaceOptions places;
  BatchOptions batch;
  CaptionOptions captions;
  LossOptions loss;
  NoiseOptions noise;
  TimestepOptions timesteps;
  lora::LoraConfig lora;
  std::filesystem::path init_adapter;  // empty: training begins with the base model
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  ComputeOptions compute;
  CheckpointOptions checkpoints;
  SharedFileOptions shared_file;
  ValidationOptions validation;
  PreviewOptions previews;
  WatchingOptions watching;
  ProcessOptions process;

  Settings settings;  // what the command line and --config say, "auto" as it was decided
};

// Throws Error(kUsage) naming the option: unknown, missing, malformed or out of range.
ParseResult parse_train_config(int argc, const char* const* argv, TrainConfig& config);

// The settings as a TOML file that --config accepts.
std::string to_toml(const TrainConfig& config);

// The settings that decide what the run computes. Two runs with equal ones (and equal data and model) give
// equal adapters; the others say where files go, how often to save, what to watch.
std::map<std::string, std::string> defining_settings(const TrainConfig& config);

// The settings that every rank must have been given alike: what they compute and what they do together. Left
// out is what may still be decided ("auto"): what was decided is compared with the loaded run.
std::map<std::string, std::string> settings_of_all_ranks(const TrainConfig& config);

}  // namespace sdlora::trainer
