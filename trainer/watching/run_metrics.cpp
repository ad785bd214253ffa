#include "trainer/watching/run_metrics.h"

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <fmt/format.h>

#include "checkpoint/sha256.h"
#include "lora/adapter_norms.h"
#include "monitoring/metrics/memory_metrics.h"
#include "monitoring/metrics/run_info.h"
#include "monitoring/metrics/sign_of_life.h"

namespace sdlora::trainer {
namespace {

// How often the adapter is looked at: it takes longer than the rest (SD 1.5's of rank 16 about 5 ms on a
// CPU).
constexpr std::chrono::seconds kLookEvery{1};
constexpr size_t kHashDigits = 12;

std::string config_hash(const TrainConfig& config) {
  std::string text;
  for (const auto& [name, value] : defining_settings(config)) text += fmt::format("{}={}\n", name, value);
  return checkpoint::sha256_of(text).substr(0, kHashDigits);
}

}  // namespace

RunMetrics::RunMetrics(const TrainConfig& config, const LoadedRun& loaded, const comm::Communicator& world,
                       const comm::Watchdog& watchdog, int64_t first_step)
    : phases(registry_),
      validation(registry_),
      checkpoints(registry_, first_step),
      loaded_(loaded),
      steps_(registry_, first_step, loaded.loss_scaler.scale()),
      quarters_(registry_),
      nonfinite_parameters_(
          registry_.gauge("sdlora_nonfinite_parameters", "Numbers of A and B that are not finite")),
      sum_bytes_(registry_.counter("sdlora_all_reduce_bytes_total",
                                   "Bytes that this rank has put into sums over all ranks")),
      sum_seconds_(registry_.counter("sdlora_all_reduce_seconds_total",
                                     "Time this rank has spent in sums over all ranks, waiting included")) {
  const at::Device device = loaded.mode.device;
  monitoring::export_build(registry_, device.is_cuda() ? "CUDA" : at::get_cpu_capability());
  monitoring::export_run(
      registry_, {.config_hash = config_hash(config),
                  .data_hash = loaded.dataset.manifest_sha256().substr(0, kHashDigits),
                  .device = c10::DeviceTypeName(device.type(), /*lower_case=*/true),
                  .precision = word_of(config.compute.mixed_precision, model::mixed_precision_words()),
                  .world_size = world.size(),
                  .attempt = monitoring::attempt_of_launcher(),
                  .max_steps = config.schedule.max_steps,
                  .checkpoint_interval_steps = config.checkpoints.every.in_steps(loaded.length.epoch)});
  if (config.optimizer.max_weight_norm > 0) {
    const auto norm = [&](const char* of) {
      return registry_.gauge("sdlora_weight_norm",
                             "Norm of what a module adds to its weight, with --max-weight-norm",
                             {{"of", of}});
    };
    bounded_norms_ = {
        .scaled_count = registry_.gauge("sdlora_scaled_modules",
                                        "Modules that the last step scaled down to --max-weight-norm"),
        .mean = norm("mean"),
        .largest = norm("largest")};
  }
  monitoring::export_memory(registry_, device);
  monitoring::export_sign_of_life(registry_, [&watchdog] { return watchdog.last_progress(); });
  look_at_adapter();
}

void RunMetrics::record_step(const monitoring::StepRecord& record, const StepResult& result) {
  steps_.record(record, loaded_.share.slot_count);
  phases.record(step_clock);
  step_clock.reset();
  const int64_t timestep_count = loaded_.schedule.timestep_count();
  for (const SampleLosses& batch : result.sample_losses) {
    const at::Tensor quarters =
        at::floor_divide(batch.timesteps.to(at::kCPU) * monitoring::kTimestepQuarters, timestep_count);
    const at::Tensor losses = batch.losses.to(at::kCPU);
    for (int64_t i = 0; i < losses.numel(); ++i)
      quarters_.record(quarters[i].item<int64_t>(), losses[i].item<double>());
  }
  if (std::chrono::steady_clock::now() >= next_look_) look_at_adapter();
}

void RunMetrics::record_sum(int64_t bytes, double seconds) {
  sum_bytes_.add(static_cast<double>(bytes));
  sum_seconds_.add(seconds);
}

void RunMetrics::look_at_adapter() {
  for (const lora::BlockNorms& norms : lora::block_norms(loaded_.adapter)) {
    const auto show = [&](const char* matrix, double norm) {
      registry_
          .gauge("sdlora_adapter_norm",
                 "Norm of all A or all B of a block of the UNet, or of the text encoder",
                 {{"matrix", matrix}, {"block", norms.block}})
          .set(norm);
    };
    show("A", norms.a);
    show("B", norms.b);
  }
  if (const auto norms = loaded_.optimizer->weight_norms()) {
    bounded_norms_->scaled_count.set(static_cast<double>(norms->scaled_count));
    bounded_norms_->mean.set(norms->mean);
    bounded_norms_->largest.set(norms->largest);
  }
  const at::Tensor finite = at::isfinite(loaded_.adapter.parameters().detach());
  nonfinite_parameters_.set(static_cast<double>(finite.numel() - finite.sum().item<int64_t>()));
  next_look_ = std::chrono::steady_clock::now() + kLookEvery;
}

}  // namespace sdlora::trainer
