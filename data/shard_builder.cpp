#include "data/shard_builder.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "comm/program.h"
#include "common/error.h"
#include "data/shard_writer.h"
#include "data/worker_threads.h"

namespace sdlora::data {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostDecoders = 16;  // a rank

int64_t decoder_count(const comm::Communicator& world) {
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  return std::clamp<int64_t>(cores / world.local_size(), 1, kMostDecoders);
}

Json::binary_t bytes_of(const at::Tensor& tensor) {
  const auto* first = static_cast<const uint8_t*>(tensor.const_data_ptr());
  return Json::binary_t({first, first + tensor.nbytes()});
}

}  // namespace

ShardBuilder::ShardBuilder(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world,
                           ImageLoader& loader)
    : options_(options),
      plan_(plan),
      world_(world),
      loader_(loader),
      encoder_(model::ModelDirectory(options.model), options.device, plan.settings.flip),
      previous_(options.output, plan) {}

ShardResult ShardBuilder::build(const PlannedShard& shard, const std::function<void()>& picture_done) {
  std::vector<Encoded> own;
  comm::agree(world_, [&] { own = encode_own(shard, picture_done); });
  const std::vector<Encoded> encoded = gather_all(own, shard.samples.size());
  ShardResult result;
  for (size_t sample = 0; sample < encoded.size(); ++sample) {
    if (!encoded[sample].latents.defined()) {
      result.skipped.push_back({shard.samples[sample].source, printable(encoded[sample].unusable_reason)});
      continue;
    }
    ++result.sample_count;
    if (!encoded[sample].is_reused) ++result.encoded_count;
  }
  comm::agree(world_, [&] {
    if (world_.rank() == 0 && result.sample_count > 0) write(shard, encoded);
  });
  return result;
}

// Every size-th picture from `rank` on. Decoding runs ahead of encoding, which several threads do.
std::vector<ShardBuilder::Encoded> ShardBuilder::encode_own(const PlannedShard& shard,
                                                            const std::function<void()>& picture_done) {
  std::vector<Encoded> own;
  std::vector<std::pair<size_t, const PlannedSample*>> to_encode;  // place in `own`, sample
  for (size_t sample = static_cast<size_t>(world_.rank()); sample < shard.samples.size();
       sample += static_cast<size_t>(world_.size())) {
    const std::optional<at::Tensor> known = previous_.find(shard.samples[sample].source_sha256);
    if (known)
      picture_done();
    else
      to_encode.emplace_back(own.size(), &shard.samples[sample]);
    own.push_back({.latents = known.value_or(at::Tensor()), .is_reused = known.has_value()});
  }
  std::mutex mutex;
  size_t requested = 0;
  size_t taken = 0;
  run_on_threads(options_.device.is_cuda() ? 1 : options_.encoder_threads, [&] {
    std::unique_lock lock(mutex);
    while (taken < to_encode.size()) {
      for (; requested < to_encode.size() && loader_.pending_count() < decoder_count(world_); ++requested)
        loader_.request(options_.images / to_encode[requested].second->source, plan_.settings.image_size);
      const auto [place, sample] = to_encode[taken++];
      const LoadedImage image = loader_.take();
      lock.unlock();
      Encoded encoded = encode(*sample, image);
      lock.lock();
      own[place] = std::move(encoded);
      picture_done();
    }
  });
  return own;
}

ShardBuilder::Encoded ShardBuilder::encode(const PlannedSample& sample, const LoadedImage& image) {
  if (!image.sha256.empty() && image.sha256 != sample.source_sha256)
    throw Error(ExitCode::kBadData, Problem{.what = "an image changed while it was being cached",
                                            .expected = "SHA-256 " + sample.source_sha256,
                                            .seen = "SHA-256 " + image.sha256,
                                            .where = (options_.images / sample.source).string(),
                                            .advice = "run cache_latents again when nobody writes there"});
  if (!image.unusable_reason.empty()) return {.unusable_reason = image.unusable_reason};
  const at::Tensor latents = encoder_.encode(image.rgb, plan_.settings.image_size);
  if (!at::isfinite(latents).all().item<bool>())
    return {.unusable_reason = "the VAE makes latents of it that are not finite"};
  return {.latents = latents};
}

// (all ranks) By sample, from all ranks.
std::vector<ShardBuilder::Encoded> ShardBuilder::gather_all(const std::vector<Encoded>& own,
                                                            size_t sample_count) {
  if (world_.size() == 1) return own;
  Json list = Json::array();
  for (const Encoded& encoded : own) {
    Json entry = {{"reason", encoded.unusable_reason}, {"is_reused", encoded.is_reused}};
    if (encoded.latents.defined()) {
      entry["shape"] = encoded.latents.sizes().vec();
      entry["latents"] = bytes_of(encoded.latents.contiguous());
    }
    list.push_back(std::move(entry));
  }
  std::string message;
  Json::to_cbor(list, message);
  const std::vector<std::string> messages = world_.gather(message);
  std::vector<Encoded> all(sample_count);
  for (size_t rank = 0; rank < messages.size(); ++rank) {
    const Json theirs = Json::from_cbor(messages[rank]);
    for (size_t entry = 0; entry < theirs.size(); ++entry) {
      Encoded& encoded = all[rank + entry * messages.size()];
      encoded = {.unusable_reason = theirs[entry].at("reason"), .is_reused = theirs[entry].at("is_reused")};
      if (!theirs[entry].contains("latents")) continue;
      auto& bytes = const_cast<Json::binary_t&>(theirs[entry].at("latents").get_binary());
      const auto shape = theirs[entry].at("shape").get<std::vector<int64_t>>();
      encoded.latents = at::from_blob(bytes.data(), shape, at::TensorOptions(at::kFloat)).clone();
    }
  }
  return all;
}

void ShardBuilder::write(const PlannedShard& shard, const std::vector<Encoded>& encoded) const {
  ShardContent content;
  content.header = {.image_size = plan_.settings.image_size,
                    .vae_scaling_factor = plan_.settings.vae_scaling_factor,
                    .vae_sha256 = plan_.settings.vae_sha256,
                    .inputs_sha256 = shard.inputs_sha256};
  std::vector<at::Tensor> latents;
  for (size_t sample = 0; sample < encoded.size(); ++sample) {
    if (!encoded[sample].latents.defined()) continue;
    latents.push_back(encoded[sample].latents);
    content.caption_index.push_back(shard.samples[sample].caption_index);
    content.source.push_back(shard.samples[sample].source);
    content.source_sha256.push_back(shard.samples[sample].source_sha256);
  }
  content.latents = at::stack(latents, 1);  // [planes, N, 4, h, w]
  write_shard(options_.output / shard.file_name, content);
}

}  // namespace sdlora::data
