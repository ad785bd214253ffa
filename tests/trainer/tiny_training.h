// The small model with an adapter on a small cache, and all that a step works on: without options or a run.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "model/model_source.h"
#include "tests/support/temporary_folder.h"
#include "trainer/optimizers/adamw.h"
#include "trainer/step/step.h"

namespace sdlora::trainer {

inline constexpr int64_t kTinySampleCount = 5;

// By default what fits the small model, but for the hashes, which are nobody's.
struct TinyCache {
  std::optional<int64_t> poisoned;  // its latents are so large that its loss is not finite
  bool flip = false;
  int64_t caption_count = 3;  // with the empty one
  int64_t text_width = 64;
  int64_t latent_channels = 4;
  std::string vae_sha256 = std::string(64, 'a');
  std::string text_encoder_sha256 = std::string(64, 'b');
};

// A cache of kTinySampleCount pictures.
void write_tiny_cache(const std::filesystem::path& folder, const TinyCache& cache = {});

struct TinySettings {
  at::ScalarType dtype = at::kFloat;
  model::kernels::CpuKernelWish cpu_kernels = model::kernels::CpuKernelWish::kAuto;
  std::string lora_targets = "attn";
  Reduction reduction = Reduction::kExact;
  BatchShare share{.batch_size = 4, .micro_batch_size = 1, .first_slot = 0, .slot_count = 4};
  LearningRateSchedule learning_rate{
      .peak = 1e-2, .kind = ScheduleKind::kConstant, .warmup_steps = 0, .max_steps = 99};
  double max_gradient_norm = 0;
  bool scales_loss = false;
  std::optional<int64_t> poisoned;
};

struct TinyTraining {
  explicit TinyTraining(const TinySettings& settings = {});

  // References what is here.
  TrainingStep step();

  // Copies of A and B, and of AdamW's state.
  checkpoint::NamedTensors state() const;

  TinySettings settings;
  TemporaryFolder folder;
  data::Dataset dataset;
  model::ComputeMode mode;
  model::ModelSource model;
  model::UNet unet;
  model::NoiseSchedule schedule;
  lora::Adapter adapter;
  AdamW optimizer;
  LossScaler loss_scaler;
  std::unique_ptr<GradientReducer> reducer;
  MicroBatchMaker batches;
  Trace trace{""};
  std::unique_ptr<comm::Communicator> world = comm::make_single_process_communicator();
  comm::Watchdog watchdog{
      "a test", world->log(), {std::chrono::seconds(60), std::chrono::seconds(60)}, /*record_file=*/{}};
  monitoring::PhaseClock clock;
};

}  // namespace sdlora::trainer
