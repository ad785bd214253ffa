#include "tests/trainer/tiny_training.h"

#include <cstdlib>
#include <numeric>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "common/atomic_file.h"
#include "data/shards/shard_writer.h"
#include "data/shards/text_file.h"
#include "tests/data/example_cache.h"
#include "tests/support/random_values.h"

namespace sdlora::trainer {
namespace {

constexpr double kNearlyTooLarge = 3e38;  // a std of this times a draw is infinite in fp32, and it is not

data::Dataset tiny_dataset(const std::filesystem::path& folder, std::optional<int64_t> poisoned) {
  write_tiny_cache(folder, {.poisoned = poisoned});
  return data::Dataset(folder);
}

std::vector<int64_t> all_samples() {
  std::vector<int64_t> samples(kTinySampleCount);
  std::iota(samples.begin(), samples.end(), 0);
  return samples;
}

}  // namespace

void write_tiny_cache(const std::filesystem::path& folder, const TinyCache& cache) {
  data::ShardContent shard = data::example_shard(0, kTinySampleCount, cache.flip);
  const int64_t planes = shard.latents.size(0);
  shard.latents = random_values({planes, kTinySampleCount, cache.latent_channels, 8, 8}, 1).abs_();
  if (cache.poisoned) shard.latents.select(1, *cache.poisoned).fill_(kNearlyTooLarge);
  shard.header.vae_sha256 = cache.vae_sha256;
  for (int64_t& caption : shard.caption_index) caption %= cache.caption_count;
  data::TextContent text = data::example_text(cache.caption_count);
  text.embedding = random_values({cache.caption_count, 77, cache.text_width}, 2);
  text.text_encoder_sha256 = cache.text_encoder_sha256;
  std::filesystem::create_directories(folder);
  write_shard(folder / data::shard_file_name(0), shard);
  write_text_file(folder / data::kTextFileName, text);
  data::Manifest manifest{.settings = data::example_settings(cache.flip)};
  manifest.settings.shard_size = kTinySampleCount;
  manifest.settings.vae_sha256 = cache.vae_sha256;
  manifest.settings.text_encoder_sha256 = cache.text_encoder_sha256;
  manifest.shards = {data::describe_file(folder / data::shard_file_name(0), kTinySampleCount)};
  manifest.text = data::describe_file(folder / data::kTextFileName, cache.caption_count);
  write_text_atomically(folder / data::kManifestName, to_json_text(manifest));
}

TinyTraining::TinyTraining(const TinySettings& tiny_settings)
    : settings(tiny_settings),
      dataset(tiny_dataset(folder.path(), settings.poisoned)),
      mode(model::compute_mode_on(at::kCPU, settings.dtype, settings.cpu_kernels)),
      model(std::getenv("SDLORA_TINY_MODEL")),
      unet(model.load_unet(mode)),
      schedule(model.load_noise_schedule()),
      adapter(unet, {.rank = 4, .alpha = 4, .targets = settings.lora_targets}, /*run_seed=*/7, at::kCPU),
      optimizer({.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01}, adapter.parameters()),
      loss_scaler(settings.scales_loss),
      reducer(make_reducer(settings.reduction, adapter.parameter_count(), at::kCPU)),
      batches(dataset, all_samples(),
              {.run_seed = 7,
               .batch_size = settings.share.batch_size,
               .timestep_count = schedule.timestep_count()},
              at::kCPU) {
  at::set_num_threads(1);  // the small model's operations are shorter than it takes to wake another thread
}

TrainingStep TinyTraining::step() {
  return {.share = settings.share,
          .mode = mode,
          .learning_rate = settings.learning_rate,
          .max_gradient_norm = settings.max_gradient_norm,
          .networks = {.unet = unet},
          .schedule = schedule,
          .batches = batches,
          .adapter = adapter,
          .optimizer = optimizer,
          .loss_scaler = loss_scaler,
          .reducer = *reducer,
          .graph = nullptr,
          .trace = trace,
          .watchdog = watchdog,
          .clock = clock};
}

checkpoint::NamedTensors TinyTraining::state() const {
  checkpoint::NamedTensors state;
  for (const auto& [name, tensor] : optimizer.state()) state[name] = tensor.clone();
  state["parameters"] = adapter.parameters().clone();
  return state;
}

}  // namespace sdlora::trainer
