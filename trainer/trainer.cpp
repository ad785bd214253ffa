#include "trainer/trainer.h"

#include <chrono>

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>

#include "comm/metered_communicator.h"
#include "comm/program.h"
#include "comm/watchdog.h"
#include "common/error.h"
#include "common/log.h"
#include "common/version.h"
#include "lora/adapter_file.h"
#include "trainer/handshake.h"
#include "trainer/plan.h"

namespace sdlora::trainer {
namespace {

using Clock = std::chrono::steady_clock;

// The checkpoint that --resume asks for, or none.
checkpoint::NewestCheckpoint find_checkpoint(const TrainConfig& config) {
  if (config.resume == "auto") return checkpoint::load_newest_checkpoint(config.output);
  if (config.resume != "none")
    return {.checkpoint = checkpoint::load_checkpoint(config.resume),
            .directory = config.resume,
            .skipped_reasons = {}};
  if (std::filesystem::exists(config.output / "metrics.jsonl") ||
      std::filesystem::exists(config.output / "lora_weights.pt"))
    throw Error(ExitCode::kUsage, Problem{.what = "the output directory already holds a run",
                                          .expected = "an unused directory, for --resume none",
                                          .where = config.output.string(),
                                          .advice = "choose another --output, or --resume auto to go on"});
  return {};
}

bool wants_nccl(const TrainConfig& config, const comm::Communicator& world, at::Device device) {
  if (config.comm == "nccl" && !device.is_cuda())
    throw Error(ExitCode::kMismatch, Problem{.what = "--comm nccl needs GPUs",
                                             .expected = "--device cuda",
                                             .seen = "computing on the CPU",
                                             .advice = "use --comm mpi"});
  return config.comm == "nccl" || (config.comm == "auto" && device.is_cuda() && world.size() > 1);
}

}  // namespace

Trainer::Trainer(TrainConfig& config, comm::Communicator& world, at::Device device)
    : config_(config), world_(world), device_(device) {
  resume();
  auto facts = defining_settings(config_);
  facts["build"] = kVersion;
  facts["data"] = parts_->dataset.manifest_sha256();
  facts["model"] = model_hash_;
  facts["adapter layout"] = lora::describe(parts_->adapter, 0);
  facts["resumed step"] = std::to_string(step_);
  facts["device type"] = c10::DeviceTypeName(device_.type());
  facts["gradients over"] = config_.comm;
  facts["CPU capability"] = at::get_cpu_capability();
  facts["CPU threads"] = std::to_string(at::get_num_threads());
  if (parts_->validation_dataset) facts["validation data"] = parts_->validation_dataset->manifest_sha256();
  // What all ranks do together must be due on all at once.
  for (const auto& [name, value] : config_.settings)
    if (name.ends_with("-every") || name == "max-nonfinite-steps") facts[name] = value;
  compare_ranks(world_, facts);
  bool over_nccl = false;
  comm::agree(world_, [&] { over_nccl = wants_nccl(config_, world_, device_); });
  if (over_nccl) nccl_ = comm::make_nccl_communicator(world_, device_.index());
}

Trainer::~Trainer() = default;

void Trainer::resume() {
  checkpoint::NewestCheckpoint found;
  RunState saved;
  comm::agree(world_, [&] {
    found = find_checkpoint(config_);
    if (!found.checkpoint) return;
    saved = run_state_from_json(found.checkpoint->state_json, found.directory.string());
    if (config_.micro_batch_size == 0) config_.micro_batch_size = saved.micro_batch_size;
  });
  for (const std::string& reason : found.skipped_reasons)
    if (world_.rank() == 0) log::warning("skipped a checkpoint: " + reason);

  comm::agree(world_, [&] {
    const BatchShare share =
        share_batch(config_.batch_size, config_.micro_batch_size, world_.rank(), world_.size());
    config_.micro_batch_size = share.micro_batch_size;
    config_.resolve("micro-batch-size", std::to_string(share.micro_batch_size));
    parts_ = std::make_unique<RunParts>(config_, share, device_);
    config_.image_size = parts_->dataset.image_size();
    config_.resolve("img-size", std::to_string(config_.image_size));
    if (world_.rank() == 0) {
      model_hash_ = parts_->model_directory.hash_of("unet");
      check_data_was_cached_with(parts_->model_directory, parts_->dataset, config_.data);
      if (parts_->validation_dataset)
        check_data_was_cached_with(parts_->model_directory, *parts_->validation_dataset,
                                   config_.validation_data);
    }
  });
  world_.broadcast(model_hash_, /*root=*/0);

  comm::agree(world_, [&] {
    if (!found.checkpoint) return;
    const std::string warning = check_resumable(saved, run_state());
    if (!warning.empty() && world_.rank() == 0) log::warning(warning);
    parts_->adapter.load(found.checkpoint->adapter);
    parts_->optimizer.load(found.checkpoint->optimizer);
    parts_->loss_scaler.load(saved.loss_scaler);
    step_ = saved.step;
    saved_step_ = saved.step;
    consecutive_nonfinite_ = saved.consecutive_nonfinite;
    if (world_.rank() == 0)
      log::info(fmt::format("resuming after step {} from {}", step_, found.directory.string()));
  });
}

std::vector<std::string> Trainer::plan() const {
  return describe_plan(config_, *parts_,
                       {.rank_count = world_.size(), .first_step = step_, .device = device_});
}

RunState Trainer::run_state() const {
  return {.step = step_,
          .consecutive_nonfinite = consecutive_nonfinite_,
          .loss_scaler = parts_->loss_scaler.state(),
          .micro_batch_size = parts_->share.micro_batch_size,
          .cpu_threads = at::get_num_threads(),
          .data_hash = parts_->dataset.manifest_sha256(),
          .model_hash = model_hash_,
          .settings = defining_settings(config_)};
}

void Trainer::run(const std::function<bool()>& stop_requested) {
  comm::Watchdog watchdog(comm::place_of(world_), std::chrono::seconds(config_.step_timeout_seconds));
  RunMonitor monitor(config_, *parts_, world_, watchdog, step_);
  if (step_ == 0 && world_.rank() == 0) parts_->trace.record_adapter(parts_->adapter.named_tensors());
  const auto sums_comm = comm::make_metered_communicator(
      nccl_ ? *nccl_ : world_,
      [&](int64_t bytes, double seconds) { monitor.metrics().record_sum(bytes, seconds); });
  Observer observer(config_, *parts_, monitor, previews_ ? &*previews_ : nullptr, world_, *sums_comm,
                    watchdog, plan());
  observer.prepare(step_);
  try {
    train(observer, monitor, *sums_comm, watchdog, stop_requested);
    observer.report(step_, "finished");
  } catch (const Error& error) {
    if (error.exit_code() == ExitCode::kStopped) monitor.leave(world_);
    observer.report(step_, error.exit_code() == ExitCode::kStopped    ? "stopped"
                           : error.exit_code() == ExitCode::kDiverged ? "diverged"
                                                                      : "failed");
    throw;
  }
  monitor.leave(world_);
  monitor.finish(world_);
}

void Trainer::train(Observer& observer, RunMonitor& monitor, comm::Communicator& sums_comm,
                    comm::Watchdog& watchdog, const std::function<bool()>& stop_requested) {
  const StepSettings settings = parts_->step_settings(config_);
  const StepParts step_parts = parts_->step_parts(watchdog, monitor.metrics().step_clock);
  bool is_asked_to_stop = step_ < config_.max_steps && observer.look(step_, stop_requested);
  while (step_ < config_.max_steps && !is_asked_to_stop) {
    const Clock::time_point start = Clock::now();
    const StepResult result = train_step(step_, settings, step_parts, sums_comm, stop_requested());
    ++step_;
    monitor.record(step_, result, std::chrono::duration<double>(Clock::now() - start).count());
    if (world_.rank() == 0)
      parts_->trace.record_step(step_ - 1, result.loss, result.gradient_norm, result.learning_rate,
                                result.is_skipped);
    guard(result);

    // Not in the middle of a non-finite streak: the newest checkpoint shall be a good one.
    if (config_.checkpoint_every > 0 && step_ % config_.checkpoint_every == 0 &&
        consecutive_nonfinite_ == 0) {
      save_checkpoint(monitor.metrics(), watchdog);
      observer.report(step_, "running");
    }
    if (step_ < config_.max_steps)
      is_asked_to_stop = result.stop_was_requested || observer.look(step_, stop_requested);
  }

  if (saved_step_ != step_) save_checkpoint(monitor.metrics(), watchdog);
  if (step_ == config_.max_steps) {
    write_adapter();
    is_asked_to_stop = observer.look(step_, stop_requested);
  }
  if (is_asked_to_stop)
    throw Error(ExitCode::kStopped,
                fmt::format("stopped by a signal after step {}; a checkpoint is saved: run the same command "
                            "again to go on",
                            step_));
}

void Trainer::guard(const StepResult& result) {
  if (!result.is_skipped) consecutive_nonfinite_ = 0;
  if (!result.is_skipped || result.is_loss_scale_search) return;
  ++consecutive_nonfinite_;
  for (const std::string& source : result.nonfinite_sources)  // (each rank for its own)
    log::warning(fmt::format("step {}: loss or gradient of {} is not finite", step_, source));
  if (world_.rank() == 0)
    log::warning(fmt::format("step {} is not finite (loss {}): skipped on all ranks", step_, result.loss));
  if (consecutive_nonfinite_ >= config_.max_nonfinite_steps)
    throw Error(
        ExitCode::kDiverged,
        Problem{
            .what = "the training has diverged",
            .expected = fmt::format("fewer than {} non-finite steps in a row", config_.max_nonfinite_steps),
            .seen = fmt::format("{} steps up to step {}", consecutive_nonfinite_, step_),
            .where = config_.output.string(),
            .advice = "lower --learning-rate or check the data; the newest checkpoint is still good"});
}

void Trainer::save_checkpoint(RunMetrics& metrics, comm::Watchdog& watchdog) {
  const monitoring::Timing timing(metrics.phases.checkpoint);
  watchdog.progress("saving a checkpoint");
  try {
    comm::agree(world_, [&] {  // (rank 0 writes)
      if (world_.rank() != 0) return;
      checkpoint::save_checkpoint(config_.output, {.step = step_,
                                                   .adapter = parts_->adapter.named_tensors(),
                                                   .optimizer = parts_->optimizer.state(),
                                                   .state_json = to_json(run_state())});
    });
  } catch (const Error&) {
    metrics.checkpoints.record_failure();
    throw;
  }
  metrics.checkpoints.record(step_, config_.output / fmt::format("checkpoint-step-{}", step_));
  saved_step_ = step_;
}

void Trainer::write_adapter() {
  comm::agree(world_, [&] {  // (rank 0 writes)
    if (world_.rank() != 0) return;
    lora::write_adapter(config_.output / "lora_weights.pt", {.tensors = parts_->adapter.named_tensors(),
                                                             .config = config_.lora,
                                                             .step = step_,
                                                             .base_model_hash = model_hash_});
  });
}

}  // namespace sdlora::trainer
