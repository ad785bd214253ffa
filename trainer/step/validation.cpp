#include "trainer/step/validation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "comm/fixed_point.h"
#include "common/error.h"
#include "common/seeds.h"
#include "trainer/step/micro_batch_loss.h"

namespace sdlora::trainer {
namespace {

constexpr int64_t kQuarters = monitoring::kTimestepQuarters;
constexpr float kOutOfRange = 65536;           // of the exact sum
constexpr int64_t kInterruptions = kQuarters;  // the counter after the non-finite ones, one per quarter

// The run's seed has no part in it.
at::Generator generator_of(int64_t sample, int64_t quarter, Stream stream) {
  return generator_for(
      seed_of(/*run_seed=*/0, static_cast<uint64_t>(sample), static_cast<uint64_t>(quarter), stream));
}

}  // namespace

Validation::Validation(const data::Dataset& dataset, std::vector<int64_t> samples,
                       const model::NoiseSchedule& schedule, const model::ComputeMode& mode,
                       int64_t micro_batch_size, std::optional<double> weight_outside_masks)
    : dataset_(dataset),
      samples_(std::move(samples)),
      schedule_(schedule),
      mode_(mode),
      micro_batch_size_(micro_batch_size),
      weight_outside_masks_(weight_outside_masks),
      sum_(kQuarters, kQuarters + 1, mode.device) {
  if (samples_.empty() || sample_count() > comm::fixed_point::kMaxTerms)
    throw Error(ExitCode::kUsage, {.what = "the validation set has an unusable size",
                                   .expected = fmt::format("1 … {} samples", comm::fixed_point::kMaxTerms),
                                   .seen = fmt::format("{}", sample_count()),
                                   .advice = "change --validation-split or --validation-data"});
  for (int64_t pair = 0; pair < sample_count() * kQuarters; ++pair) add_to_groups(pair);
}

void Validation::add_to_groups(int64_t pair) {
  const auto size_of_pair = [this](int64_t at) {
    return dataset_.size_of(samples_[static_cast<size_t>(at / kQuarters)]);
  };
  const bool fits = !groups_.empty() && groups_.back().pair_count < micro_batch_size_ &&
                    size_of_pair(groups_.back().first_pair) == size_of_pair(pair);
  if (fits)
    ++groups_.back().pair_count;
  else
    groups_.push_back({.first_pair = pair, .pair_count = 1});
}

ValidationResult Validation::run(const Networks& networks, comm::Communicator& sums_comm,
                                 comm::Watchdog& watchdog, const std::function<bool()>& stop_requested) {
  const c10::NoGradGuard no_gradients;
  sum_.reset();
  // The groups are the same for any number of ranks, since a sample's prediction may depend on its neighbours
  // in the last bits.
  for (size_t group = static_cast<size_t>(sums_comm.rank()); group < groups_.size();
       group += static_cast<size_t>(sums_comm.size())) {
    if (stop_requested()) {
      sum_.add_to_counter(kInterruptions, 1);
      break;
    }
    const auto [first_pair, pair_count] = groups_[group];
    watchdog.progress(comm::Section::kValidation,
                      fmt::format("pair {} of {}", first_pair, sample_count() * kQuarters));
    add_losses(networks, first_pair, pair_count);
  }
  watchdog.progress(comm::Section::kValidation, "summing the losses");
  sums_comm.all_reduce_sum(sum_.words());                   // (all ranks)
  const ValidationResult summed = result();                 // waits for the device
  watchdog.progress(comm::Section::kValidation, "summed");  // never returns from a sum that was broken off
  return summed;
}

MicroBatch Validation::draw(const Networks& networks, int64_t first_pair, int64_t pair_count) const {
  MicroBatch batch;
  std::vector<at::Tensor> latents, noises, timesteps, text_embeddings, token_ids, masks;
  const int64_t timesteps_per_quarter = schedule_.timestep_count() / kQuarters;
  for (int64_t pair = first_pair; pair < first_pair + pair_count; ++pair) {
    const int64_t index = samples_[static_cast<size_t>(pair / kQuarters)], quarter = pair % kQuarters;
    const data::Sample sample = dataset_.sample(index);
    batch.slots.push_back(pair);
    batch.sample_indices.push_back(index);
    batch.sources.push_back(sample.source);
    batch.texts.push_back(dataset_.caption_of(index));
    latents.push_back(sample.latent_mean * dataset_.vae_scaling_factor());
    noises.push_back(at::randn(sample.latent_mean.sizes(),
                               generator_of(index, quarter, Stream::kValidationNoise), at::kFloat));
    timesteps.push_back(at::randint(timesteps_per_quarter, {1},
                                    generator_of(index, quarter, Stream::kValidationTimestep), at::kLong)
                            .add_(quarter * timesteps_per_quarter));
    if (networks.text_reader != nullptr)
      token_ids.push_back(networks.text_reader->token_ids(dataset_.caption_of(index)));
    else
      text_embeddings.push_back(dataset_.embedding_of(dataset_.captions_of(index).front()));
    if (sample.mask.defined() && weight_outside_masks_)
      masks.push_back(mask_weights(sample, *weight_outside_masks_));
  }
  batch.latents = at::stack(latents).to(mode_.device);
  batch.noise = at::stack(noises).to(mode_.device);
  batch.timesteps = at::cat(timesteps).to(mode_.device);
  if (!text_embeddings.empty()) batch.text_embeddings = at::stack(text_embeddings).to(mode_.device);
  if (!token_ids.empty()) batch.token_ids = at::stack(token_ids).to(mode_.device);
  if (!masks.empty()) batch.masks = at::stack(masks).to(mode_.device);
  return batch;
}

void Validation::add_losses(const Networks& networks, int64_t first_pair, int64_t pair_count) {
  const MicroBatch batch = draw(networks, first_pair, pair_count);
  const at::Tensor pair_losses =
      losses(LossKind::kMse, predict(networks, schedule_, mode_, batch), batch).per_sample;  // [pairs]
  const at::Tensor are_in_range = (pair_losses < kOutOfRange).to(at::kCPU);                  // false for NaN
  for (int64_t row = 0; row < pair_count; ++row) {
    const int64_t quarter = (first_pair + row) % kQuarters;
    sum_.add(quarter, pair_losses.narrow(0, row, 1));
    if (!are_in_range[row].item<bool>()) sum_.add_to_counter(quarter, 1);
  }
}

ValidationResult Validation::result() const {
  const at::Tensor totals = sum_.totals().to(at::kCPU, at::kDouble);
  ValidationResult result{
      .loss = 0, .quarter_losses = {}, .was_interrupted = sum_.counter(kInterruptions) > 0};
  for (int64_t quarter = 0; quarter < kQuarters; ++quarter) {
    // The sum leaves out what is not finite: without this, the mean of the rest would pass for the loss.
    const double mean = sum_.counter(quarter) > 0
                            ? std::numeric_limits<double>::quiet_NaN()
                            : totals[quarter].item<double>() / static_cast<double>(sample_count());
    result.quarter_losses[static_cast<size_t>(quarter)] = mean;
    result.loss += mean / kQuarters;
  }
  return result;
}

}  // namespace sdlora::trainer
