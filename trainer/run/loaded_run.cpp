#include "trainer/run/loaded_run.h"

#include <numeric>

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

data::Dataset open_cache(const std::filesystem::path& directory, const char* option) {
  if (!std::filesystem::is_directory(directory))
    throw Error(ExitCode::kUsage, {.what = "the data directory does not exist",
                                   .expected = "a directory written by cache_latents",
                                   .where = directory.string(),
                                   .advice = fmt::format("check {}", option)});
  return data::Dataset(directory);
}

// Loads the data set and checks that it is what the options expect.
data::Dataset open_dataset(const TrainConfig& config) {
  data::Dataset dataset = open_cache(config.places.data, "--data");
  if (config.places.image_size != 0 && config.places.image_size != dataset.image_size())
    throw Error(ExitCode::kUsage, {.what = "--img-size is not the data set's",
                                   .expected = fmt::format("{} pixels, as cached", dataset.image_size()),
                                   .seen = fmt::format("--img-size {}", config.places.image_size),
                                   .where = config.places.data.string(),
                                   .advice = "leave --img-size out, or run cache_latents at that size"});
  return dataset;
}

std::optional<data::Dataset> open_validation_dataset(const TrainConfig& config) {
  if (config.validation.data.empty()) return std::nullopt;
  return open_cache(config.validation.data, "--validation-data");
}

std::vector<int64_t> all_samples_of(const data::Dataset& dataset) {
  std::vector<int64_t> samples(static_cast<size_t>(dataset.sample_count()));
  std::iota(samples.begin(), samples.end(), 0);
  return samples;
}

void check_data_fits_model(const data::Dataset& dataset, const model::UNet& unet,
                           const std::filesystem::path& data_directory) {
  const data::Sample sample = dataset.sample(0);
  const int64_t text_width = sample.text_embedding.size(-1);
  const int64_t latent_channels = sample.latent_mean.size(0);
  for (const model::UNetConfig::Level& level : unet.config().levels)
    if (level.context_channels != text_width || unet.config().in_channels != latent_channels)
      throw Error(
          ExitCode::kBadData,
          {.what = "the data set was cached with another model",
           .expected = fmt::format("{} latent channels and text embeddings {} wide",
                                   unet.config().in_channels, level.context_channels),
           .seen = fmt::format("{} latent channels and text embeddings {} wide", latent_channels, text_width),
           .where = data_directory.string(),
           .advice = "run cache_latents with this --model"});
}

// The kernels' weights are noted down, so that the ranks of a host can share them.
model::ComputeMode compute_mode_of(const TrainConfig& config, at::Device device) {
  model::ComputeMode mode =
      model::compute_mode_on(device, dtype_of(config.compute.mixed_precision), config.compute.cpu_kernels);
  mode.prepared_weights = std::make_shared<model::kernels::PreparedWeights>();
  return mode;
}

}  // namespace

void check_data_was_cached_with(const model::ModelDirectory& model, const data::Dataset& dataset,
                                const std::filesystem::path& data_directory) {
  const auto compare = [&](const std::string& part, const std::string& cached_hash) {
    if (!std::filesystem::is_directory(model.path() / part)) return;
    if (const std::string hash = model.hash_of(part); hash != cached_hash)
      throw Error(ExitCode::kBadData, {.what = "the data set was cached with another " + part,
                                       .expected = "SHA-256 " + hash + ", the model's",
                                       .seen = "SHA-256 " + cached_hash + ", the data set's",
                                       .where = data_directory.string(),
                                       .advice = "run cache_latents with this --model"});
  };
  compare("vae", dataset.vae_sha256());
  compare("text_encoder", dataset.text_encoder_sha256());
}

BatchShare share_batch(int64_t batch_size, int64_t micro_batch_size, int rank, int rank_count) {
  const int64_t per_rank = batch_size / rank_count;
  const int64_t micro = micro_batch_size == 0 ? per_rank : micro_batch_size;
  if (batch_size % rank_count != 0 || micro == 0 || per_rank % micro != 0)
    throw Error(
        ExitCode::kUsage,
        {.what = "the batch cannot be shared evenly",
         .expected = "a --batch-size that ranks × micro-batch-size divides",
         .seen = fmt::format("--batch-size {}, {} ranks, --micro-batch-size {}", batch_size, rank_count,
                             micro_batch_size == 0 ? "auto" : std::to_string(micro_batch_size)),
         .advice = "change --batch-size, --micro-batch-size or the number of ranks"});
  return {.batch_size = batch_size,
          .micro_batch_size = micro,
          .first_slot = rank * per_rank,
          .slot_count = per_rank};
}

LoadedRun::LoadedRun(const TrainConfig& config, const BatchShare& batch_share, at::Device device)
    : share(batch_share),
      mode(compute_mode_of(config, device)),
      dataset(open_dataset(config)),
      validation_dataset(open_validation_dataset(config)),
      split(split_samples(dataset.picture_count(), dataset.has_flip(), config.validation.split)),
      model_directory(config.places.model),
      unet(model_directory.load_unet(mode)),
      schedule(model_directory.load_noise_schedule().on(device)),
      adapter(unet, config.lora, config.batch.seed, device),
      optimizer({.beta1 = config.optimizer.adam_beta1,
                 .beta2 = config.optimizer.adam_beta2,
                 .eps = config.optimizer.adam_eps,
                 .weight_decay = config.optimizer.weight_decay},
                adapter.parameters()),
      loss_scaler(config.compute.mixed_precision == model::MixedPrecision::kFp16),
      reducer(make_reducer(config.compute.reduction, adapter.parameter_count(), device)),
      batches(dataset, split.training,
              {.run_seed = config.batch.seed,
               .batch_size = config.batch.size,
               .timestep_count = schedule.timestep_count(),
               .noise_offset = config.noise.offset},
              device),
      trace(config.watching.trace_directory),
      graph(config.compute.records_cuda_graph ? std::make_unique<MicroBatchGraph>(device) : nullptr) {
  check_data_fits_model(dataset, unet, config.places.data);
  if (validation_dataset) check_data_fits_model(*validation_dataset, unet, config.validation.data);
  if (config.validation.every == 0) return;
  const data::Dataset& validation_source = validation_dataset ? *validation_dataset : dataset;
  validation.emplace(validation_source,
                     validation_dataset ? all_samples_of(*validation_dataset) : split.held_out, schedule,
                     mode, share.micro_batch_size);
}

StepSettings LoadedRun::step_settings(const TrainConfig& config) const {
  return {.share = share,
          .mode = mode,
          .learning_rate = {.peak = config.optimizer.learning_rate,
                            .kind = config.schedule.kind,
                            .warmup_steps = config.schedule.warmup_steps,
                            .max_steps = config.schedule.max_steps},
          .max_gradient_norm = config.optimizer.max_gradient_norm};
}

StepParts LoadedRun::step_parts(comm::Watchdog& watchdog, monitoring::PhaseClock& clock) {
  return {unet,     schedule,    batches, adapter,  optimizer, loss_scaler,
          *reducer, graph.get(), trace,   watchdog, clock};
}

}  // namespace sdlora::trainer
