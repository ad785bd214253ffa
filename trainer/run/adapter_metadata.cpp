#include "trainer/run/adapter_metadata.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "checkpoint/hash_memory.h"
#include "common/python_text.h"
#include "common/utf8.h"
#include "common/version.h"
#include "data/picture_folders.h"
#include "lora/kohya_hashes.h"
#include "lora/names/context_widths.h"
#include "monitoring/records/run_files.h"

namespace sdlora::trainer {
namespace {

using checkpoint::Metadata;
using nlohmann::ordered_json;

// ComfyUI shows no metadata of a file whose header is longer than 1 MiB.
constexpr size_t kMostTagBytes = size_t{256} << 10;

std::string or_none(bool is_given, const std::string& text) {
  return is_given ? text : "None";
}

std::string or_none(double value) {
  return or_none(value != 0, python_text(value));
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char text[sizeof "2026-02-16T08:07:29"];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return text;
}

// What readers choose by.
void add_model_family(Metadata& metadata, const LoadedRun& loaded) {
  const std::vector<model::UNetConfig::Level>& levels = loaded.unet.config().levels;
  const bool is_sd2 = std::any_of(levels.begin(), levels.end(), [](const model::UNetConfig::Level& level) {
    return level.context_channels == lora::kContextWidthOfSd2;
  });
  const bool is_velocity = loaded.schedule.prediction_type() == model::PredictionType::kVelocity;
  metadata["ss_v2"] = python_text(is_sd2);
  metadata["ss_base_model_version"] = std::string(is_sd2 ? "sd_v2" : "sd_v1") + (is_velocity ? "_v" : "");
  metadata["modelspec.architecture"] =
      !is_sd2 ? "stable-diffusion-v1/lora"
              : std::string("stable-diffusion-v2-") + (is_velocity ? "768-v" : "512") + "/lora";
}

void add_names(Metadata& metadata, const TrainConfig& config) {
  const std::string name = config.shared_file.shown_name(config.places.output);
  metadata["ss_output_name"] = name;
  metadata["ss_training_comment"] = "None";
  metadata["ss_session_id"] =
      python_text(std::stoll(monitoring::run_id(config.places.output), /*pos=*/nullptr, /*base=*/16));
  metadata["modelspec.sai_model_spec"] = "1.0.1";
  metadata["modelspec.implementation"] = "diffusers";
  metadata["modelspec.title"] = name;
}

// By the names that kohya has for a model's and a VAE's file; hashes of a file only.
void add_file(Metadata& metadata, const std::filesystem::path& place, const char* name, const char* hash,
              const char* new_hash) {
  const bool is_there = std::filesystem::exists(place);  // else an id of the hub
  metadata[name] = !is_there              ? place.string()
                   : place.has_filename() ? place.filename().string()
                                          : place.parent_path().filename().string();
  if (!std::filesystem::is_regular_file(place)) return;
  metadata[hash] = lora::legacy_hash_of_file(place);
  metadata[new_hash] = checkpoint::HashMemory::of_this_user().sha256_of_file(place);
}

void add_models(Metadata& metadata, const TrainConfig& config, const LoadedRun& loaded,
                const std::string& model_hash) {
  add_file(metadata, config.places.model, "ss_sd_model_name", "ss_sd_model_hash", "ss_new_sd_model_hash");
  if (!config.places.vae.empty())
    add_file(metadata, config.places.vae, "ss_vae_name", "ss_vae_hash", "ss_new_vae_hash");
  const model::ClipReading& reading = loaded.dataset.reading();
  metadata["ss_clip_skip"] = or_none(reading.clip_skip != 1, python_text(reading.clip_skip));
  metadata["ss_max_token_length"] =
      or_none(reading.max_token_length != 75, python_text(reading.max_token_length));
  if (reading.clip_skip != 1) metadata["modelspec.encoder_layer"] = python_text(reading.clip_skip);
  metadata["modelspec.prediction_type"] =
      loaded.schedule.prediction_type() == model::PredictionType::kVelocity ? "v" : "epsilon";
  metadata["sdlora_base_model_sha256"] = model_hash;
}

std::string optimizer_text(const OptimizerOptions& optimizer) {
  const std::string name = word_of(optimizer.kind, optimizer_words());
  if (optimizer.kind == OptimizerKind::kAdamW && optimizer.arguments.empty())
    return fmt::format("{}(weight_decay={},betas=({}, {}),eps={})", name, python_text(optimizer.weight_decay),
                       python_text(optimizer.adam_beta1), python_text(optimizer.adam_beta2),
                       python_text(optimizer.adam_eps));
  return optimizer.arguments.empty() ? name
                                     : fmt::format("{}({})", name, fmt::join(optimizer.arguments, ","));
}

void add_rates(Metadata& metadata, const TrainConfig& config) {
  const OptimizerOptions& optimizer = config.optimizer;
  const double of_text =
      optimizer.text_encoder_rate == 0 ? optimizer.learning_rate : optimizer.text_encoder_rate;
  metadata["ss_learning_rate"] = python_text(optimizer.learning_rate);
  metadata["ss_unet_lr"] = python_text(optimizer.learning_rate);
  metadata["ss_text_encoder_lr"] = or_none(config.lora.trains_text_encoder, python_text(of_text));
  metadata["ss_lr_scheduler"] = word_of(config.schedule.kind, schedule_words());
  metadata["ss_lr_warmup_steps"] =
      python_text(steps_of(config.schedule.warmup_steps_or_share, config.schedule.max_steps));
  metadata["ss_optimizer"] = optimizer_text(optimizer);
  metadata["ss_max_grad_norm"] = python_text(optimizer.max_gradient_norm);
  metadata["ss_scale_weight_norms"] = or_none(optimizer.max_weight_norm);
  metadata["ss_network_dropout"] = or_none(config.lora.dropout.neuron);
  metadata["ss_seed"] = python_text(config.batch.seed);
  metadata["ss_mixed_precision"] = word_of(config.compute.mixed_precision, model::mixed_precision_words());
  metadata["ss_gradient_checkpointing"] = python_text(config.compute.recomputes_blocks);
}

void add_objective(Metadata& metadata, const TrainConfig& config, const LoadedRun& loaded) {
  const LossOptions& loss = config.loss;
  const NoiseOptions& noise = config.noise;
  metadata["ss_loss_type"] = loss.kind == LossKind::kMse ? "l2" : word_of(loss.kind, loss_words());
  if (loss.is_huber()) {
    metadata["ss_huber_schedule"] = word_of(loss.huber_schedule, huber_schedule_words());
    metadata["ss_huber_c"] = python_text(loss.huber_c);
  }
  metadata["ss_min_snr_gamma"] = or_none(loss.min_snr_gamma);
  metadata["ss_debiased_estimation"] = python_text(loss.is_debiased);
  metadata["ss_prior_loss_weight"] = python_text(loss.prior_weight);
  metadata["ss_noise_offset"] = or_none(noise.offset);
  metadata["ss_multires_noise_iterations"] =
      or_none(noise.multires_iterations != 0, python_text(noise.multires_iterations));
  metadata["ss_multires_noise_discount"] = python_text(noise.multires_discount);
  metadata["ss_ip_noise_gamma"] = or_none(noise.input_gamma);
  metadata["ss_zero_terminal_snr"] = python_text(loaded.schedule.has_zero_terminal_snr());
  if (config.timesteps.least > 0 || config.timesteps.bound < loaded.schedule.timestep_count())
    metadata["modelspec.timestep_range"] =
        fmt::format("{},{}", config.timesteps.least, config.timesteps.bound);
}

void add_captions(Metadata& metadata, const data::CaptionRules& rules) {
  metadata["ss_caption_dropout_rate"] = python_text(rules.dropout);
  metadata["ss_caption_dropout_every_n_epochs"] = python_text(rules.dropout_every_epochs);
  metadata["ss_caption_tag_dropout_rate"] = python_text(rules.tag_dropout);
  metadata["ss_shuffle_caption"] = python_text(rules.shuffle);
  metadata["ss_keep_tokens"] = python_text(rules.keep_tokens);
}

ordered_json buckets_of(const data::Dataset& dataset, const std::vector<int64_t>& samples) {
  std::map<std::pair<int64_t, int64_t>, int64_t> counts;  // of width and height, with repeats
  for (const int64_t sample : samples) {
    const data::PictureSize& size = dataset.size_of(sample);
    counts[{size.width, size.height}] += dataset.repeats_of(sample);
  }
  ordered_json buckets = ordered_json::object();
  for (const auto& [size, count] : counts)
    buckets[python_text(buckets.size())] = {{"resolution", {size.first, size.second}}, {"count", count}};
  return {{"buckets", buckets}};
}

void add_sizes(Metadata& metadata, const TrainConfig& config, const LoadedRun& loaded) {
  const data::Dataset& dataset = loaded.dataset;
  const EpochLength& epoch = loaded.length.epoch;
  int64_t reg_count = 0;
  for (const int64_t sample : loaded.split.training)
    if (dataset.is_reg(sample)) reg_count += dataset.repeats_of(sample);
  metadata["ss_num_train_images"] = python_text(epoch.samples_per_epoch - reg_count);
  metadata["ss_num_reg_images"] = python_text(reg_count);
  metadata["ss_num_validation_images"] = python_text(loaded.split.held_out.size());
  metadata["ss_num_batches_per_epoch"] = python_text(epoch.steps_for(1));
  metadata["ss_max_train_steps"] = python_text(config.schedule.max_steps);
  metadata["ss_num_epochs"] =
      python_text((config.schedule.max_steps * epoch.samples_per_step + epoch.samples_per_epoch - 1) /
                  epoch.samples_per_epoch);
  metadata["ss_total_batch_size"] = python_text(config.batch.size);
  metadata["ss_batch_size_per_device"] = python_text(config.batch.micro_size);

  const data::PictureSize& size = dataset.picture_size();
  const std::optional<data::BucketRules>& rules = dataset.bucket_rules();
  metadata["ss_resolution"] = fmt::format("({}, {})", size.width, size.height);
  metadata["modelspec.resolution"] = data::to_text(size);
  metadata["ss_cache_latents"] = python_text(true);
  metadata["ss_flip_aug"] = python_text(dataset.has_flip());
  metadata["ss_enable_bucket"] = python_text(rules.has_value());
  metadata["ss_bucket_no_upscale"] = python_text(rules && rules->no_upscale);
  metadata["ss_min_bucket_reso"] = or_none(rules.has_value(), python_text(rules ? rules->least_side : 0));
  metadata["ss_max_bucket_reso"] = or_none(rules.has_value(), python_text(rules ? rules->greatest_side : 0));
  metadata["ss_bucket_info"] = buckets_of(dataset, loaded.split.training).dump();
}

// The most frequent tags of all folders, as many as there is room for. How many found none is added to
// `left_out_count`.
ordered_json tag_frequency(const std::vector<data::PictureFolder>& folders, int64_t& left_out_count) {
  struct Tag {
    const std::string* folder;
    const std::string* tag;
    int64_t count;
  };

  std::vector<Tag> tags;
  for (const data::PictureFolder& folder : folders)
    for (const auto& [tag, count] : folder.tags) tags.push_back({&folder.name, &tag, count});
  std::stable_sort(tags.begin(), tags.end(), [](const Tag& a, const Tag& b) { return a.count > b.count; });

  ordered_json frequency = ordered_json::object();
  size_t bytes = 0;
  for (const Tag& tag : tags) {
    bytes += tag.tag->size() + std::string_view(R"(\"\": 1234, )").size();
    if (bytes > kMostTagBytes)
      ++left_out_count;
    else
      frequency[*tag.folder][*tag.tag] = tag.count;
  }
  return frequency;
}

int64_t add_folders(Metadata& metadata, const TrainConfig& config, const LoadedRun& loaded) {
  std::vector<data::PictureFolder> folders = data::picture_folders(loaded.dataset, loaded.split.training);
  ordered_json of_data = ordered_json::object(), of_reg = ordered_json::object();
  for (data::PictureFolder& folder : folders) {
    if (folder.name.empty()) folder.name = monitoring::run_name(config.places.data);
    (folder.is_reg ? of_reg : of_data)[folder.name] = {{"n_repeats", folder.repeats},
                                                       {"img_count", folder.picture_count}};
  }
  int64_t left_out_count = 0;
  metadata["ss_dataset_dirs"] = of_data.dump();
  metadata["ss_reg_dataset_dirs"] = of_reg.dump();
  metadata["ss_tag_frequency"] = tag_frequency(folders, left_out_count).dump();
  if (const std::vector<std::string> shared = data::shared_tags(folders); !shared.empty())
    metadata["modelspec.trigger_phrase"] = fmt::format("{}", fmt::join(shared, ", "));
  return left_out_count;
}

// All options that decide the result and were given, so that the training can be repeated.
std::string settings_text(const TrainConfig& config) {
  const std::map<std::string, std::string> defaults = config.settings.defaults();
  ordered_json given = ordered_json::object();
  for (const auto& [name, text] : defining_settings(config))
    if (const auto usual = defaults.find(name); usual == defaults.end() || usual->second != text)
      given[name] = valid_utf8(text);
  return given.dump();
}

}  // namespace

AdapterMetadata::AdapterMetadata(const TrainConfig& config, const LoadedRun& loaded,
                                 const std::string& model_hash)
    : epoch_(loaded.length.epoch), is_brief_(config.shared_file.has_no_metadata) {
  add_model_family(constant_, loaded);
  if (is_brief_) return;
  add_names(constant_, config);
  add_models(constant_, config, loaded, model_hash);
  add_rates(constant_, config);
  add_objective(constant_, config, loaded);
  add_captions(constant_, config.captions.rules);
  add_sizes(constant_, config, loaded);
  left_out_tag_count_ = add_folders(constant_, config, loaded);
  constant_["ss_training_started_at"] = python_text(seconds_since_1970());
  constant_["sdlora_version"] = kVersion;
  constant_["sdlora_settings"] = settings_text(config);
  for (auto& [name, text] : constant_) text = valid_utf8(text);  // of names of files
}

Metadata AdapterMetadata::after(int64_t step) const {
  Metadata metadata = constant_;
  if (is_brief_) return metadata;
  metadata["ss_steps"] = python_text(step);
  metadata["ss_epoch"] = python_text(epoch_.epochs_in(step));
  metadata["ss_training_finished_at"] = python_text(seconds_since_1970());
  metadata["modelspec.date"] = local_time();
  return metadata;
}

}  // namespace sdlora::trainer
