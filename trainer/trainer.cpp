#include "trainer/trainer.h"

#include <algorithm>
#include <chrono>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "checkpoint/sha256.h"
#include "comm/fail_together.h"
#include "comm/metered_communicator.h"
#include "comm/shared_memory.h"
#include "comm/watchdog.h"
#include "common/error.h"
#include "common/log.h"
#include "common/recycled_memory.h"
#include "data/captions/captions.h"
#include "lora/adapter_file.h"
#include "lora/adapter_fit.h"
#include "lora/initial_values.h"
#include "trainer/options/doubts.h"
#include "trainer/rehearsal.h"
#include "trainer/run/arithmetic.h"
#include "trainer/run/choose_checkpoint.h"
#include "trainer/run/data_doubts.h"
#include "trainer/run/handshake.h"
#include "trainer/run/startup_table.h"

namespace sdlora::trainer {
namespace {

using Clock = std::chrono::steady_clock;

bool wants_nccl(const TrainConfig& config, const comm::Communicator& world, at::Device device) {
  if (config.compute.comm == Carrier::kNccl && !device.is_cuda())
    throw Error(ExitCode::kMismatch, {.what = "--comm nccl needs GPUs",
                                      .expected = "--device cuda",
                                      .seen = "computing on the CPU",
                                      .advice = "use --comm mpi"});
  return config.compute.comm == Carrier::kNccl ||
         (config.compute.comm == Carrier::kAuto && device.is_cuda() && world.size() > 1);
}

void check_cuda_graph(const TrainConfig& config, at::Device device) {
  if (config.compute.records_cuda_graph && !device.is_cuda())
    throw Error(ExitCode::kMismatch, {.what = "--cuda-graph needs a GPU",
                                      .expected = "--device cuda",
                                      .seen = "computing on the CPU",
                                      .advice = "leave --cuda-graph out"});
}

void check_one_size_for_graph(const TrainConfig& config, const data::Dataset& dataset) {
  if (config.compute.records_cuda_graph && dataset.has_several_sizes())
    throw Error(ExitCode::kMismatch, {.what = "--cuda-graph needs pictures of one size",
                                      .expected = "a cache made without --aspect-buckets",
                                      .seen = dataset.buckets_in_words(),
                                      .where = config.places.data.string(),
                                      .advice = "leave --cuda-graph out"});
}

// Whose modules an adapter may name, also where none of them is trained.
model::ClipTextConfig text_config_of(const model::ModelSource& model) {
  constexpr auto kPart = model::ModelPart::kTextEncoder;
  return model.has(kPart) ? model::ClipTextConfig::read(model.config_of(kPart))
                          : lora::standard_text_encoder(/*is_sd2=*/false);
}

}  // namespace

struct Trainer::Saved {
  checkpoint::NewestCheckpoint found;
  RunState state;
};

Trainer::Trainer(TrainConfig& config, comm::Communicator& world, at::Device device, comm::Watchdog& watchdog)
    : config_(config),
      world_(world),
      device_(device),
      watchdog_(watchdog),
      guard_(config, world),
      saver_(config.places.output, config.checkpoints.keep_count, world),
      straggler_watch_(world) {
  const Saved saved = choose_checkpoint();
  adopt_settings_of(saved);
  load_run();
  RankFingerprint more = defining_settings(config_);
  more["init-adapter"] = init_adapter_hash_;
  more["text encoder and tokenizer"] = text_model_hash_;
  compare_loaded(world_, *loaded_, model_hash_, more);
  restore(saved);
  compare_parameters(world_, *loaded_, step_);
  hosts_ = describe_hosts(world_);
  open_nccl();
}

Trainer::~Trainer() {
  watchdog_.on_expiry({});  // it would call what is gone
}

Trainer::Saved Trainer::choose_checkpoint() {
  watchdog_.progress(comm::Section::kStartUp, "looking for a checkpoint");
  Saved saved;
  comm::fail_together(world_, [&] {
    saved.found = trainer::choose_checkpoint(config_);
    if (!saved.found.checkpoint) return;
    saved.state = run_state_from_json(saved.found.checkpoint->state_json, saved.found.directory.string());
    if (saved.state.step != saved.found.checkpoint->step)
      throw Error(ExitCode::kBadData, {.what = "a checkpoint's state.json is of another step",
                                       .expected = fmt::format("step {}", saved.found.checkpoint->step),
                                       .seen = fmt::format("step {}", saved.state.step),
                                       .where = saved.found.directory.string(),
                                       .advice = "remove this checkpoint to go on from an older one"});
  });
  for (const std::string& reason : saved.found.skipped_reasons)
    if (world_.rank() == 0) log::warning("skipped a checkpoint: " + reason);
  return saved;
}

void Trainer::adopt_settings_of(const Saved& saved) {
  if (!saved.found.checkpoint) return;
  if (config_.batch.micro_size == 0) config_.batch.micro_size = saved.state.micro_batch_size;
  if (config_.compute.cpu_threads == 0) {  // another number may round differently
    at::set_num_threads(static_cast<int>(saved.state.cpu_threads));
    config_.settings.resolve("cpu-threads", std::to_string(saved.state.cpu_threads));
  }
}

void Trainer::load_run() {
  watchdog_.progress(comm::Section::kStartUp, "loading the model and the data");
  comm::fail_together(world_, [&] {
    check_cuda_graph(config_, device_);
    const BatchShare share =
        share_batch(config_.batch.size, config_.batch.micro_size, world_.rank(), world_.size());
    config_.batch.micro_size = share.micro_batch_size;
    config_.settings.resolve("micro-batch-size", std::to_string(share.micro_batch_size));
    loaded_ = std::make_unique<LoadedRun>(config_, share, device_);
    check_one_size_for_graph(config_, loaded_->dataset);
    if (config_.timesteps.bound == 0) {
      config_.timesteps.bound = loaded_->schedule.timestep_count();
      config_.settings.resolve("max-timestep", std::to_string(config_.timesteps.bound));
    }
    if (config_.schedule.max_epochs > 0) {
      config_.schedule.max_steps = loaded_->length.max_steps;
      config_.settings.resolve("max-steps", std::to_string(loaded_->length.max_steps));
    }
    config_.places.image_size = loaded_->dataset.picture_size().width;
    config_.settings.resolve("img-size", std::to_string(config_.places.image_size));
  });
  share_prepared_weights();
  comm::fail_together(world_, [&] {
    if (!config_.init_adapter.empty()) init_adapter_hash_ = checkpoint::sha256_of_file(config_.init_adapter);
    if (loaded_->reads_texts())
      text_model_hash_ = loaded_->model_source.hash_of(model::ModelPart::kTextEncoder) + ", " +
                         loaded_->model_source.hash_of(model::ModelPart::kTokenizer);
  });
  watchdog_.progress(comm::Section::kStartUp, "hashing the model");
  model_hash_ = hash_model_once_per_host(world_, loaded_->model_source);
  comm::fail_together(world_, [&] {
    if (world_.rank() != 0) return;
    check_data_was_cached_with(loaded_->model_source, loaded_->dataset, config_.places.data);
    if (loaded_->reads_texts()) check_tokenizer(loaded_->model_source, loaded_->dataset, config_.places.data);
    if (loaded_->validation_dataset)
      check_data_was_cached_with(loaded_->model_source, *loaded_->validation_dataset,
                                 config_.validation.data);
  });
}

// What the kernels make of the frozen weights is larger than the weights: held once per host, and each rank
// makes its part of it. A rank that is alone makes each when it is first used.
void Trainer::share_prepared_weights() {
  model::kernels::PreparedWeights& prepared = *loaded_->mode.prepared_weights;
  if (world_.size() == 1) return;
  watchdog_.progress(comm::Section::kStartUp, "preparing the kernels' weights");
  const std::string own_size = std::to_string(prepared.byte_count());
  for (const std::string& size : world_.gather(own_size))
    if (size == "0" || size != own_size) return;  // ranks that compute otherwise are about to be refused
  const auto memory = comm::share_memory_on_host(world_, static_cast<size_t>(prepared.byte_count()));
  if (memory == nullptr) return;
  prepared.move_to(memory, world_.local_rank(), world_.local_size());
  world_.barrier();  // nobody computes with what another rank has not made yet
}

void Trainer::restore(const Saved& saved) {
  watchdog_.progress(comm::Section::kStartUp, "restoring the checkpoint");
  comm::fail_together(world_, [&] {
    if (!saved.found.checkpoint) return begin_from_adapter();
    RunState mine = run_state();
    if (mine.model_hash != saved.state.model_hash)
      mine.model_hash = loaded_->model_source.hash_like(model::ModelPart::kUnet, saved.state.model_hash);
    const std::string warning = check_resumable(saved.state, mine, config_.settings);
    if (!warning.empty() && world_.rank() == 0) log::warning(warning);
    loaded_->adapter.load(saved.found.checkpoint->adapter);
    loaded_->optimizer->load(saved.found.checkpoint->optimizer);
    loaded_->loss_scaler.load(saved.state.loss_scaler);
    step_ = saved.state.step;
    saved_step_ = saved.state.step;
    guard_.restore(saved.state.consecutive_nonfinite);
    if (world_.rank() == 0)
      log::info(fmt::format("resuming after step {} from {}", step_, saved.found.directory.string()));
  });
}

void Trainer::begin_from_adapter() {
  if (config_.init_adapter.empty()) return;
  const lora::ModuleTable table(loaded_->unet.config(), text_config_of(loaded_->model_source));
  const lora::AdapterFile file = lora::read_adapter(config_.init_adapter, table);
  lora::check_family(file, table.context_channels());
  const lora::BegunFrom begun = lora::begin_from(loaded_->adapter, file);
  if (world_.rank() != 0) return;
  log::info(fmt::format(
      "begins from {} ({}): {} of {} modules{}", file.file.string(), file.naming, begun.module_count,
      loaded_->adapter.modules().size(),
      begun.reduced_count > 0 ? fmt::format(", {} of them cut to a lower rank", begun.reduced_count) : ""));
  if (!begun.left_out.empty())
    log::warning(fmt::format("{}: not begun from: {}", file.file.string(), lora::describe(begun.left_out)));
}

void Trainer::open_nccl() {
  bool is_wanted = false;
  comm::fail_together(world_, [&] { is_wanted = wants_nccl(config_, world_, device_); });
  if (!is_wanted) return;
  watchdog_.progress(comm::Section::kStartUp, "connecting the GPUs");
  nccl_ = comm::make_nccl_communicator(world_, device_.index(), config_.compute.allow_gpu_sharing);
  watchdog_.on_expiry([this] { nccl_->abort(); });
}

std::vector<monitoring::TableRow> Trainer::startup_rows() const {
  return startup_table(
      config_, *loaded_,
      {.rank_count = world_.size(), .first_step = step_, .device = device_, .hosts = hosts_});
}

void Trainer::show_startup_table() const {
  if (world_.rank() != 0) return;
  for (const std::string& line : monitoring::table_of(startup_rows())) log::info(line);
  for (const std::string& doubt : doubts_about(config_)) log::warning(doubt);
  for (const std::string& doubt : doubts_about_data(config_, *loaded_)) log::warning(doubt);
}

void Trainer::rehearse() {
  trainer::rehearse(config_, *loaded_, step_, world_, watchdog_);
}

RunState Trainer::run_state() const {
  return {.step = step_,
          .consecutive_nonfinite = guard_.consecutive_count(),
          .loss_scaler = loaded_->loss_scaler.state(),
          .micro_batch_size = loaded_->share.micro_batch_size,
          .cpu_threads = at::get_num_threads(),
          .cpu_kernels = describe_arithmetic(loaded_->mode.cpu_kernels),
          .data_hash = loaded_->dataset.manifest_sha256(),
          .model_hash = model_hash_,
          .noise_schedule = loaded_->schedule.identity(),
          .init_adapter_hash = init_adapter_hash_,
          .settings = defining_settings(config_),
          .other_alphas = loaded_->adapter.other_alphas()};
}

void Trainer::run(const std::function<bool()>& stop_requested) {
  RunMonitor monitor(config_, *loaded_, world_, watchdog_, step_);
  watchdog_.progress(comm::Section::kStartUp, "describing the adapter's file");
  comm::fail_together(world_, [&] {
    if (world_.rank() == 0) adapter_files_.emplace(config_, *loaded_, model_hash_);
  });
  if (step_ == 0 && world_.rank() == 0) loaded_->trace.record_adapter(loaded_->adapter.named_tensors());
  const auto sums_comm = comm::make_metered_communicator(
      nccl_ ? *nccl_ : world_,
      [&](int64_t bytes, double seconds) { monitor.metrics().record_sum(bytes, seconds); });
  Observer observer(config_, *loaded_, monitor, previews_ ? &*previews_ : nullptr, world_, *sums_comm,
                    watchdog_, startup_rows());
  observer.prepare(step_);
  try {
    train(observer, monitor, *sums_comm, stop_requested);
    observer.report(step_, "finished");
  } catch (const Error& error) {
    const bool is_stopped = error.exit_code() == ExitCode::kStopped;
    const bool is_diverged = error.exit_code() == ExitCode::kDiverged;
    watchdog_.progress(comm::Section::kFinish, "reporting the end");
    if (is_stopped) monitor.leave(world_);
    observer.report(step_, is_stopped ? "stopped" : is_diverged ? "diverged" : "failed");
    monitor.show_summary();
    // They leave together: those without a report to write wait for rank 0.
    if (dynamic_cast<const comm::CommonError*>(&error) != nullptr) world_.barrier();
    throw;
  }
  watchdog_.progress(comm::Section::kFinish, "collecting the ranks' last figures");
  monitor.leave(world_);
  monitor.finish(world_);
}

void Trainer::train(Observer& observer, RunMonitor& monitor, comm::Communicator& sums_comm,
                    const std::function<bool()>& stop_requested) {
  TrainingStep step = loaded_->training_step(config_, watchdog_, monitor.metrics().step_clock);
  const int64_t first_step = step_;
  bool is_asked_to_stop = step_ < config_.schedule.max_steps && observer.look(step_, stop_requested);
  while (step_ < config_.schedule.max_steps && !is_asked_to_stop) {
    const Clock::time_point start = Clock::now();
    watchdog_.at_step(step_ + 1);
    const StepResult result = step.run(step_ + 1, sums_comm, stop_requested());
    if (step_++ == first_step) release_recycled_memory();  // what only loading and preparing needed
    monitor.record(step_, result, std::chrono::duration<double>(Clock::now() - start).count());
    if (world_.rank() == 0)
      loaded_->trace.record_step(step_, result.loss, result.gradient_norm, result.learning_rate,
                                 result.is_skipped);
    straggler_watch_.add(step_, result.own_seconds);
    guard_.check(step_, result, *loaded_, model_hash_, watchdog_);

    // Not in the middle of a non-finite streak: the newest checkpoint shall be a good one.
    if (config_.checkpoints.every.is_due(step_, loaded_->length.epoch) && guard_.consecutive_count() == 0) {
      save_checkpoint(monitor, /*is_last=*/false);
      observer.report(step_, "running");
    }
    if (step_ < config_.schedule.max_steps)
      is_asked_to_stop = result.stop_was_requested || observer.look(step_, stop_requested);
  }

  if (saved_step_ != step_) save_checkpoint(monitor, /*is_last=*/true);
  if (step_ == config_.schedule.max_steps) {
    write_adapters();
    is_asked_to_stop = observer.look(step_, stop_requested);
  }
  if (is_asked_to_stop)
    throw comm::CommonError(
        ExitCode::kStopped,
        fmt::format("stopped by a signal after step {}; a checkpoint is saved: run the same command "
                    "again to go on",
                    step_));
}

void Trainer::save_checkpoint(RunMonitor& monitor, bool is_last) {
  RunMetrics& metrics = monitor.metrics();
  const monitoring::Timing timing(metrics.phases.checkpoint);
  watchdog_.progress(comm::Section::kCheckpoint, "saving");
  compare_parameters(world_, *loaded_, step_);
  const auto contents = [&] {
    monitor.flush();  // a checkpoint is never ahead of metrics.jsonl
    checkpoint::Checkpoint state{.step = step_,
                                 .adapter = adapter_with(loaded_->optimizer->evaluation_parameters()),
                                 .optimizer = loaded_->optimizer->state(),
                                 .state_json = to_json(run_state())};
    state.write_more = [this, adapter = state.adapter](const std::filesystem::path& directory) {
      adapter_files_->write_into_checkpoint(directory, step_, adapter);
    };
    check_finite(state.adapter, config_.places.output.string());
    check_finite(state.optimizer, config_.places.output.string());
    return state;
  };
  bool is_saved = false;
  try {
    is_saved = saver_.save(contents, is_last);
  } catch (const Error&) {
    metrics.checkpoints.record_failure();
    throw;
  }
  if (!is_saved) {
    metrics.checkpoints.record_failure();
    return;
  }
  metrics.checkpoints.record(step_, config_.places.output / checkpoint::checkpoint_name(step_));
  saved_step_ = step_;
}

checkpoint::NamedTensors Trainer::adapter_with(const at::Tensor& parameters) const {
  const ShownParameters shown(parameters, loaded_->adapter.parameters());
  return loaded_->adapter.named_tensors();
}

void Trainer::write_adapters() {
  comm::fail_together(world_, [&] {  // (rank 0 writes)
    if (world_.rank() != 0) return;
    const auto finite_adapter_with = [&](const at::Tensor& parameters) {
      checkpoint::NamedTensors tensors = adapter_with(parameters);
      check_finite(tensors, config_.places.output.string());
      return tensors;
    };
    adapter_files_->write_last(step_, finite_adapter_with(loaded_->optimizer->evaluation_parameters()));
    if (const auto average = loaded_->optimizer->moving_average())
      adapter_files_->write_last_average(step_, finite_adapter_with(*average));
  });
}

}  // namespace sdlora::trainer
