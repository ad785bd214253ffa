#include "trainer/batches/micro_batch.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/seeds.h"
#include "trainer/batches/noise_draw.h"

namespace sdlora::trainer {
namespace {

// By width, then height: as the cache is. Each sample as often as it is repeated.
std::vector<std::vector<int64_t>> groups_by_size(const data::Dataset& dataset,
                                                 const std::vector<int64_t>& samples) {
  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> groups;
  for (const int64_t sample : samples) {
    const data::PictureSize& size = dataset.size_of(sample);
    std::vector<int64_t>& group = groups[{size.width, size.height}];
    group.insert(group.end(), static_cast<size_t>(dataset.repeats_of(sample)), sample);
  }
  std::vector<std::vector<int64_t>> in_order;
  in_order.reserve(groups.size());
  for (auto& [size, group] : groups) in_order.push_back(std::move(group));
  return in_order;
}

// To the GPU from pinned memory, which the host need not wait for.
at::Tensor upload(const at::Tensor& values, at::Device device) {
  return device.is_cuda() ? values.pin_memory().to(device, /*non_blocking=*/true) : values;
}

}  // namespace

at::Tensor mask_weights(const data::Sample& sample, double weight_outside) {
  return sample.mask.clamp_min(weight_outside).unsqueeze(0);
}

MicroBatchMaker::MicroBatchMaker(const data::Dataset& dataset, const std::vector<int64_t>& samples,
                                 DrawSettings draws, at::Device device, TextEmbeddings* embeddings,
                                 const model::ClipTextReader* trained_reader)
    : dataset_(dataset),
      sample_order_(groups_by_size(dataset, samples), draws.micro_batch_size, draws.run_seed),
      draws_(std::move(draws)),
      timestep_draw_(draws_.timesteps, draws_.timestep_count),
      device_(device),
      embeddings_(embeddings),
      trained_reader_(trained_reader),
      rules_(dataset.caption_rules(draws_.captions)),
      weighs_samples_((draws_.prior_loss_weight != 1 && dataset.reg_count() > 0) ||
                      !draws_.loss.weights.empty()) {
  TORCH_INTERNAL_ASSERT(
      embeddings_ != nullptr || trained_reader_ != nullptr ||
      std::none_of(rules_.begin(), rules_.end(), std::mem_fn(&data::CaptionRules::make_new_texts)));
}

std::string MicroBatchMaker::sizes_never_trained(int64_t steps) const {
  std::vector<std::string> sizes;
  for (const size_t group : sample_order_.groups_without_micro_batch(steps * draws_.batch_size))
    sizes.push_back(to_text(dataset_.size_of(sample_order_.groups()[group].front())));
  return fmt::format("{}", fmt::join(sizes, ", "));
}

MicroBatch MicroBatchMaker::make(int64_t steps_done, int64_t first_slot, int64_t count) {
  if (auto drawn = ahead_.extract({steps_done, first_slot, count})) return std::move(drawn.mapped());
  return draw(steps_done, first_slot, count);
}

void MicroBatchMaker::draw_ahead(int64_t steps_done, int64_t first_slot, int64_t count) {
  ahead_.insert_or_assign({steps_done, first_slot, count}, draw(steps_done, first_slot, count));
}

DrawnText MicroBatchMaker::draw_text(int64_t steps_done, int64_t slot) {
  const auto [picture, epoch] = sample_order_.at(steps_done * draws_.batch_size + slot);
  const int64_t index = mirrored_by_chance(picture, steps_done, slot);
  const data::CaptionRules& rules = rules_[dataset_.subset_of(index)];
  const std::vector<size_t> captions = dataset_.captions_of(index);
  if (captions.size() == 1 && rules.leave_captions_alone())
    return {index, captions[0], dataset_.captions()[captions[0]]};
  at::Generator generator = generator_for(seed_of(draws_.run_seed, static_cast<uint64_t>(steps_done),
                                                  static_cast<uint64_t>(slot), Stream::kCaption));
  const data::CaptionMoment moment{
      .epoch = epoch + 1, .steps_done = steps_done, .max_steps = draws_.max_steps};
  const auto count = static_cast<int64_t>(captions.size());
  const size_t chosen =
      count == 1 ? 0 : static_cast<size_t>(at::randint(count, {1}, generator, at::kLong).item<int64_t>());
  const std::string& caption = dataset_.captions()[captions[chosen]];
  return {index, captions[chosen], data::draw_caption(caption, rules, moment, generator)};
}

// kohya's flip_aug: the picture or its mirror image, one as often as the other.
int64_t MicroBatchMaker::mirrored_by_chance(int64_t picture, int64_t steps_done, int64_t slot) const {
  if (!dataset_.subsets()[dataset_.subset_of(picture)].is_flipped_by_chance) return picture;
  const at::Generator generator = generator_for(seed_of(draws_.run_seed, static_cast<uint64_t>(steps_done),
                                                        static_cast<uint64_t>(slot), Stream::kFlip));
  const bool is_mirrored = at::randint(2, {1}, generator, at::kLong).item<int64_t>() == 1;
  return picture + (is_mirrored ? dataset_.picture_count() : 0);
}

at::Tensor MicroBatchMaker::embedding_of(const DrawnText& drawn) {
  if (drawn.text == dataset_.captions()[drawn.caption]) return dataset_.embedding_of(drawn.caption);
  return drawn.text.empty() ? dataset_.embedding_of(0) : embeddings_->of(drawn.text);
}

float MicroBatchMaker::loss_weight_of(int64_t sample, size_t timestep) const {
  const float of_picture = dataset_.is_reg(sample) ? static_cast<float>(draws_.prior_loss_weight) : 1.0F;
  return draws_.loss.weights.empty() ? of_picture : of_picture * draws_.loss.weights[timestep];
}

MicroBatch MicroBatchMaker::draw(int64_t steps_done, int64_t first_slot, int64_t count) {
  MicroBatch batch;
  std::vector<at::Tensor> latents, noises, added_noises, timesteps, text_embeddings, token_ids, masks;
  std::vector<float> loss_weights, huber_c;
  for (int64_t slot = first_slot; slot < first_slot + count; ++slot) {
    const DrawnText drawn = draw_text(steps_done, slot);
    const data::Sample sample = dataset_.sample(drawn.sample_index);
    const auto seed = [&](Stream stream) {
      return seed_of(draws_.run_seed, static_cast<uint64_t>(steps_done), static_cast<uint64_t>(slot), stream);
    };
    const auto generator = [&](Stream stream) { return generator_for(seed(stream)); };
    const auto shape = sample.latent_mean.sizes();
    const at::Tensor posterior_noise = at::randn(shape, generator(Stream::kPosteriorNoise), at::kFloat);
    batch.slots.push_back(slot);
    batch.sample_indices.push_back(drawn.sample_index);
    batch.sources.push_back(sample.source);
    batch.texts.push_back(drawn.text);
    if (draws_.drops_out) batch.dropout_seeds.push_back(seed(Stream::kDropout));
    latents.push_back((sample.latent_mean + sample.latent_std * posterior_noise) *
                      dataset_.vae_scaling_factor());
    noises.push_back(draw_noise(shape, draws_.noise, generator(Stream::kNoise)));
    if (const double gamma = draws_.noise.input_gamma; gamma > 0)
      added_noises.push_back(noises.back() +
                             gamma * at::randn(shape, generator(Stream::kInputNoise), at::kFloat));
    timesteps.push_back(timestep_draw_.draw(generator(Stream::kTimestep)));
    if (trained_reader_ != nullptr)
      token_ids.push_back(trained_reader_->token_ids(drawn.text));
    else
      text_embeddings.push_back(embedding_of(drawn));
    if (draws_.weight_outside_masks) masks.push_back(mask_weights(sample, *draws_.weight_outside_masks));
    const auto timestep = static_cast<size_t>(timesteps.back().item<int64_t>());
    loss_weights.push_back(loss_weight_of(drawn.sample_index, timestep));
    if (!draws_.loss.huber_c.empty()) huber_c.push_back(draws_.loss.huber_c[timestep]);
  }
  batch.latents = upload(at::stack(latents), device_);
  batch.noise = upload(at::stack(noises), device_);
  batch.timesteps = upload(at::cat(timesteps), device_);
  if (!text_embeddings.empty()) batch.text_embeddings = upload(at::stack(text_embeddings), device_);
  if (!token_ids.empty()) batch.token_ids = upload(at::stack(token_ids), device_);
  if (!masks.empty()) batch.masks = upload(at::stack(masks), device_);
  if (!added_noises.empty()) batch.added_noise = upload(at::stack(added_noises), device_);
  if (!huber_c.empty()) batch.huber_c = upload(at::tensor(huber_c), device_);
  if (weighs_samples_) batch.loss_weights = upload(at::tensor(loss_weights), device_);
  return batch;
}

}  // namespace sdlora::trainer
