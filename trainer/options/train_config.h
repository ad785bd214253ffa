// Everything a run is asked for: the options of `trainer`, their defaults, and their words for files and for
// comparing runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "comm/watchdog.h"
#include "common/command_line.h"
#include "lora/lora_config.h"

namespace sdlora::trainer {

// Pictures drawn while it trains.
struct PreviewConfig {
  int64_t every = 0;              // steps; 0: none
  std::filesystem::path prompts;  // a file, one prompt a line
  int64_t step_count = 20;        // sampling steps a picture
  double guidance_scale = 7.5;
  uint64_t seed = 0;  // of every picture's noise
  int64_t size = 0;   // pixels along a side; 0: the data's
};

struct TrainConfig {
  std::filesystem::path model;   // directory in diffusers layout
  std::filesystem::path data;    // directory written by cache_latents
  std::filesystem::path output;  // run directory
  std::string device = "auto";
  int64_t image_size = 0;  // pixels; 0: what the data has

  int64_t batch_size = 8;        // samples per optimiser step over all ranks
  int64_t micro_batch_size = 0;  // samples per forward; 0: batch size / ranks, or the resumed checkpoint's
  int64_t max_steps = 500;       // optimiser steps
  uint64_t seed = 0;

  double learning_rate = 1e-5;  // peak
  std::string learning_rate_schedule = "cosine";
  int64_t warmup_steps = 50;
  double max_gradient_norm = 1.0;  // 0: no clipping
  double weight_decay = 0.01;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_eps = 1e-8;
  double noise_offset = 0;  // std of a constant added to each channel of the noise; 0: none

  lora::LoraConfig lora;

  std::string mixed_precision = "no";  // no, fp16, bf16
  std::string reduction = "exact";     // exact, fp32
  std::string comm = "auto";           // auto, mpi, nccl
  bool is_deterministic = false;       // on a GPU: only kernels that give the same bytes every time
  bool records_cuda_graph = false;     // on a GPU: a micro-batch's work is recorded once and replayed
  bool allow_gpu_sharing = false;      // several ranks on one GPU, for tests
  int cpu_threads = 0;                 // per rank; 0: cores / local ranks
  std::string cpu_kernels = "auto";    // auto, onednn, aten

  int64_t checkpoint_every = 100;         // steps; 0: only at the end
  int64_t keep_checkpoints = 0;           // the newest; 0: all
  int64_t validation_every = 0;           // steps; 0: never
  std::filesystem::path validation_data;  // another cache, to validate on; or:
  double validation_split = 0;            // fraction of the data's pictures held out of the training
  PreviewConfig previews;
  std::string resume = "auto";  // auto, none, or a checkpoint directory
  int64_t max_nonfinite_steps = 10;

  std::string log_format = "text";  // text, json
  bool writes_tensorboard = false;
  int metrics_port = 9400;  // + local rank; 0: a free port
  std::string metrics_address = "127.0.0.1";
  int64_t step_timeout_seconds = 300;
  int64_t startup_timeout_seconds = 600;
  std::filesystem::path trace_directory;
  std::filesystem::path replay_directory;  // of a non-finite step: show it again, train nothing
  bool is_dry_run = false;

  // Every option's long name and its value as text, in the order of the declaration.
  std::vector<std::pair<std::string, std::string>> settings;

  std::map<std::string, std::string> default_settings;  // likewise, as they are when nothing is given

  // Corrects the text of a setting whose "auto" has been decided.
  void resolve(const std::string& name, const std::string& value);
};

// Throws Error(kUsage) naming the option: unknown, missing, malformed or out of range.
ParseResult parse_train_config(int argc, const char* const* argv, TrainConfig& config);

// The settings as a TOML file that --config accepts.
std::string to_toml(const TrainConfig& config);

// The settings that decide what the run computes. Two runs with equal ones (and equal data and model) give
// equal adapters; the others say where files go, how often to save, what to watch.
std::map<std::string, std::string> defining_settings(const TrainConfig& config);

// What --step-timeout and --startup-timeout say.
comm::Patience patience_of(const TrainConfig& config);

// The settings that every rank must have been given alike: what they compute and what they do together. Left
// out are places, whose contents are compared, and what concerns one rank alone. Before "auto" is decided.
std::map<std::string, std::string> settings_of_all_ranks(const TrainConfig& config);

}  // namespace sdlora::trainer
