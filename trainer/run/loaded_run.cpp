#include "trainer/run/loaded_run.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "common/error.h"
#include "lora/targets.h"
#include "trainer/options/optimizer_configs.h"

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
  if (config.places.image_size != 0 && data::square(config.places.image_size) != dataset.picture_size())
    throw Error(ExitCode::kUsage,
                {.what = "--img-size is not the data set's",
                 .expected = fmt::format("{} pixels, as cached", in_words(dataset.picture_size())),
                 .seen = fmt::format("--img-size {}", config.places.image_size),
                 .where = config.places.data.string(),
                 .advice = "leave --img-size out, or run cache_latents at that size"});
  if (config.loss.is_masked && !dataset.has_masks())
    throw Error(ExitCode::kUsage, {.what = "--masked-loss has no masks",
                                   .expected = "a cache made with --mask alpha or --mask file",
                                   .seen = "one without masks",
                                   .where = config.places.data.string(),
                                   .advice = "leave --masked-loss out, or run cache_latents with --mask"});
  return dataset;
}

std::vector<bool> are_reg(const data::Dataset& dataset) {
  std::vector<bool> are;
  for (int64_t picture = 0; picture < dataset.picture_count(); ++picture)
    are.push_back(dataset.is_reg(picture));
  return are;
}

std::optional<data::Dataset> open_validation_dataset(const TrainConfig& config) {
  if (config.validation.data.empty()) return std::nullopt;
  return open_cache(config.validation.data, "--validation-data");
}

// But for regularisation pictures.
std::vector<int64_t> samples_to_validate_on(const data::Dataset& dataset) {
  std::vector<int64_t> samples;
  for (int64_t sample = 0; sample < dataset.sample_count(); ++sample)
    if (!dataset.is_reg(sample)) samples.push_back(sample);
  return samples;
}

void check_data_fits_model(const data::Dataset& dataset, const model::UNet& unet,
                           const std::filesystem::path& data_directory) {
  const data::Sample sample = dataset.sample(0);
  const int64_t text_width = dataset.embedding_shape().back();
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
           .advice = "give the --model that it was cached with, or run cache_latents with this one"});
}

void check_validation_data(const data::Dataset& validation, const data::Dataset& training,
                           const model::UNet& unet, const std::filesystem::path& directory) {
  check_data_fits_model(validation, unet, directory);
  if (validation.reading() == training.reading()) return;
  const auto in_words = [](const model::ClipReading& reading) {
    return fmt::format("--clip-skip {} --max-token-length {}", reading.clip_skip, reading.max_token_length);
  };
  throw Error(ExitCode::kUsage, {.what = "the validation data was read otherwise than the training data",
                                 .expected = in_words(training.reading()),
                                 .seen = in_words(validation.reading()),
                                 .where = directory.string(),
                                 .advice = "run cache_latents for it with the same two"});
}

data::Sample largest_sample_of(const data::Dataset& dataset) {
  int64_t largest = 0;
  for (int64_t sample = 1; sample < dataset.picture_count(); ++sample)
    if (dataset.size_of(sample).area() > dataset.size_of(largest).area()) largest = sample;
  return dataset.sample(largest);
}

// The kernels' weights are noted down, so that the ranks of a host can share them.
model::ComputeMode compute_mode_of(const TrainConfig& config, const data::Dataset& dataset,
                                   at::Device device) {
  const at::Tensor latent = largest_sample_of(dataset).latent_mean;  // [4, h, w]
  model::ComputeMode mode =
      model::compute_mode_on(device, dtype_of(config.compute.mixed_precision), config.compute.cpu_kernels,
                             {latent.size(1), latent.size(2)});
  mode.prepared_weights = std::make_shared<model::kernels::PreparedWeights>();
  mode.keeps_weight = lora::weights_to_keep(config.lora);
  mode.recomputes_transformer_blocks = config.compute.recomputes_blocks;
  return mode;
}

// Computes as the cache's embeddings were computed.
std::unique_ptr<TextEmbeddings> load_text_embeddings(const TrainConfig& config, const data::Dataset& dataset,
                                                     const model::ModelSource& model, at::Device device) {
  const std::vector<data::CaptionRules> rules = dataset.caption_rules(config.captions.rules);
  if (config.lora.trains_text_encoder) return nullptr;
  if (std::none_of(rules.begin(), rules.end(), std::mem_fn(&data::CaptionRules::make_new_texts)))
    return nullptr;
  return std::make_unique<TextEmbeddings>(
      model.load_text_reader(dataset.reading(), device, dtype_of(dataset.mixed_precision())));
}

std::vector<MatrixRange> matrices_of(const lora::Adapter& adapter, const OptimizerOptions& optimizer) {
  const double rate_of_b = optimizer.lora_plus_ratio == 0 ? 1 : optimizer.lora_plus_ratio;
  const double rate_of_text_encoder =
      takes_learning_rate(optimizer) ? optimizer.text_encoder_rate_factor() : 1;
  std::vector<MatrixRange> matrices;
  matrices.reserve(2 * adapter.modules().size());
  int64_t first = 0;
  for (const lora::Adapter::Module& module : adapter.modules()) {
    const double rate = module.network == lora::Network::kTextEncoder ? rate_of_text_encoder : 1;
    matrices.push_back(
        {.first = first, .row_count = module.rank, .column_count = module.in_features, .rate_factor = rate});
    first += module.rank * module.in_features;
    matrices.push_back({.first = first,
                        .row_count = module.out_features,
                        .column_count = module.rank,
                        .rate_factor = rate * rate_of_b});
    first += module.rank * module.out_features;
    if (!module.has_magnitude) continue;
    matrices.push_back(
        {.first = first, .row_count = module.out_features, .column_count = 1, .rate_factor = rate});
    first += module.out_features;
  }
  return matrices;
}

std::vector<double> scales_of(const lora::Adapter& adapter) {
  std::vector<double> scales;
  scales.reserve(adapter.modules().size());
  for (const lora::Adapter::Module& module : adapter.modules()) scales.push_back(module.scale());
  return scales;
}

LearningRateSchedule learning_rate_of(const TrainConfig& config, int64_t max_steps) {
  const ScheduleOptions& options = config.schedule;
  if (!takes_schedule(config.optimizer))
    return {.peak = config.optimizer.learning_rate,
            .kind = ScheduleKind::kConstant,
            .warmup_steps = 0,
            .max_steps = max_steps};
  return {.peak = config.optimizer.learning_rate,
          .kind = options.kind,
          .warmup_steps = steps_of(options.warmup_steps_or_share, max_steps),
          .max_steps = max_steps,
          .cycles = options.cycles,
          .power = options.power,
          .min_ratio = options.min_ratio,
          .decay_steps = steps_of(options.decay_steps_or_share, max_steps)};
}

void check_part(const model::ModelSource& model, model::ModelPart part, const std::string& cached_hash,
                const std::filesystem::path& data_directory) {
  if (!model.has(part)) return;
  if (const std::string hash = model.hash_like(part, cached_hash); hash != cached_hash)
    throw Error(ExitCode::kBadData, {.what = "the data set was cached with another " + name_of(part),
                                     .expected = "SHA-256 " + hash + ", the model's",
                                     .seen = "SHA-256 " + cached_hash + ", the data set's",
                                     .where = data_directory.string(),
                                     .advice = "give the --model (and --vae) that it was cached with, or "
                                               "run cache_latents with these; a cache of before single "
                                               "files knows only its directory"});
}

}  // namespace

void check_data_was_cached_with(const model::ModelSource& model, const data::Dataset& dataset,
                                const std::filesystem::path& data_directory) {
  check_part(model, model::ModelPart::kVae, dataset.vae_sha256(), data_directory);
  check_part(model, model::ModelPart::kTextEncoder, dataset.text_encoder_sha256(), data_directory);
}

void check_tokenizer(const model::ModelSource& model, const data::Dataset& dataset,
                     const std::filesystem::path& data_directory) {
  check_part(model, model::ModelPart::kTokenizer, dataset.tokenizer_sha256(), data_directory);
}

LoadedRun::LoadedRun(const TrainConfig& config, const BatchShare& batch_share, at::Device device)
    : share(batch_share),
      dataset(open_dataset(config)),
      mode(compute_mode_of(config, dataset, device)),
      validation_dataset(open_validation_dataset(config)),
      split(split_samples(dataset.picture_count(), dataset.has_flip(), config.validation.split,
                          are_reg(dataset), dataset.source_sha256())),
      length(run_length(config.schedule, dataset, split.training, config.batch.size)),
      model_source(config.places.model_source()),
      unet(model_source.load_unet(mode)),
      text_reader(load_trained_reader(config.lora, model_source, dataset.reading(), mode)),
      schedule(model_source.load_noise_schedule(config.noise.schedule).on(device)),
      adapter(unet, config.lora, config.batch.seed, device, text_reader ? &text_reader->encoder() : nullptr),
      optimizer(make_optimizer(
          config.optimizer, adapter.parameters(),
          {.matrices = matrices_of(adapter, config.optimizer),
           .scales = scales_of(adapter),
           .warmup_steps = steps_of(config.schedule.warmup_steps_or_share, length.max_steps)})),
      loss_scaler(config.compute.mixed_precision == model::MixedPrecision::kFp16),
      reducer(make_reducer(config.compute.reduction, adapter.parameter_count(), device)),
      text_embeddings(load_text_embeddings(config, dataset, model_source, device)),
      batches(dataset, split.training,
              {.run_seed = config.batch.seed,
               .batch_size = config.batch.size,
               .timestep_count = schedule.timestep_count(),
               .timesteps = config.timesteps,
               .noise = config.noise,
               .captions = config.captions.rules,
               .max_steps = length.max_steps,
               .micro_batch_size = share.micro_batch_size,
               .prior_loss_weight = config.loss.prior_weight,
               .loss = loss_by_timestep(config.loss, schedule),
               .drops_out = config.lora.dropout.any(),
               .weight_outside_masks = config.loss.weight_outside_masks()},
              device, text_embeddings.get(), text_reader.get()),
      trace(config.watching.trace_directory),
      graph(config.compute.records_cuda_graph ? std::make_unique<MicroBatchGraph>(device) : nullptr) {
  check_data_fits_model(dataset, unet, config.places.data);
  if (validation_dataset) check_validation_data(*validation_dataset, dataset, unet, config.validation.data);
  if (config.validation.every.is_never()) return;
  const data::Dataset& validation_source = validation_dataset ? *validation_dataset : dataset;
  validation.emplace(validation_source,
                     validation_dataset ? samples_to_validate_on(*validation_dataset) : split.held_out,
                     schedule, mode, share.micro_batch_size, config.loss.weight_outside_masks());
}

int64_t LoadedRun::base_parameter_count() const {
  return model_source.parameter_count_of(model::ModelPart::kUnet) +
         (text_reader ? model_source.parameter_count_of(model::ModelPart::kTextEncoder) : 0);
}

TrainingStep LoadedRun::training_step(const TrainConfig& config, comm::Watchdog& watchdog,
                                      monitoring::PhaseClock& clock) {
  return {.share = share,
          .mode = mode,
          .learning_rate = learning_rate_of(config, length.max_steps),
          .max_gradient_norm = config.optimizer.max_gradient_norm,
          .loss = config.loss.kind,
          .networks = networks(),
          .schedule = schedule,
          .batches = batches,
          .adapter = adapter,
          .optimizer = *optimizer,
          .loss_scaler = loss_scaler,
          .reducer = *reducer,
          .graph = graph.get(),
          .trace = trace,
          .watchdog = watchdog,
          .clock = clock};
}

}  // namespace sdlora::trainer
