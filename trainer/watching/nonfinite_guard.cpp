#include "trainer/watching/nonfinite_guard.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/log.h"

namespace sdlora::trainer {

void NonfiniteGuard::check(int64_t step, const StepResult& result, const LoadedRun& loaded,
                           const std::string& model_hash, comm::Watchdog& watchdog) {
  if (!result.is_skipped) consecutive_count_ = 0;
  if (!result.is_skipped || result.is_loss_scale_search) return;
  ++consecutive_count_;
  for (const NonfiniteMicroBatch& micro_batch : result.nonfinite)  // (each rank for its own)
    for (const size_t row : micro_batch.suspects())
      log::warning(fmt::format("step {}: loss or gradient of {} is {}", step, micro_batch.batch.sources[row],
                               micro_batch.is_finite() ? "too large to be summed" : "not finite"));
  if (world_.rank() == 0)
    log::warning(fmt::format("step {} is not finite (loss {}): skipped on all ranks", step, result.loss));
  if (record_count_++ < kMaxRecords) {
    watchdog.progress(comm::Section::kCheckpoint, fmt::format("saving the inputs of step {}", step));
    write_nonfinite_record(
        config_.places.output / fmt::format("nonfinite-step-{:06}", step),
        {.step = step,
         .model = loaded.model_source.path(),
         .model_hash = model_hash,
         .lora = config_.lora,
         .text_encoder_hash = loaded.text_reader ? loaded.dataset.text_encoder_sha256() : "",
         .reading = loaded.dataset.reading(),
         .schedule = config_.noise.schedule,
         .loss = config_.loss.kind,
         .mixed_precision = config_.compute.mixed_precision,
         .reduction = config_.compute.reduction,
         .cpu_kernels = config_.compute.cpu_kernels,
         .cpu_threads = at::get_num_threads(),
         .micro_batch_size = loaded.share.micro_batch_size,
         .loss_scale = result.loss_scale,
         .expected_latents = loaded.mode.expected_latents,
         .samples = {}},
        result.nonfinite, loaded.adapter, world_);
  }
  if (consecutive_count_ >= config_.process.max_nonfinite_steps)
    throw comm::CommonError(
        ExitCode::kDiverged,
        {.what = "the training has diverged",
         .expected =
             fmt::format("fewer than {} non-finite steps in a row", config_.process.max_nonfinite_steps),
         .seen = fmt::format("{} steps up to step {}", consecutive_count_, step),
         .where = config_.places.output.string(),
         .advice = "lower --learning-rate or check the data; the newest checkpoint is still "
                   "good"});
}

void check_finite(const checkpoint::NamedTensors& tensors, const std::string& where) {
  for (const auto& [name, tensor] : tensors)
    if (!at::isfinite(tensor).all().item<bool>())
      throw Error(ExitCode::kDiverged,
                  {.what = "the training has diverged: what was learnt is not finite, and not saved",
                   .expected = "finite numbers",
                   .seen = "NaN or infinity in " + name,
                   .where = where,
                   .advice = "lower --learning-rate; the newest checkpoint is still good"});
}

}  // namespace sdlora::trainer
