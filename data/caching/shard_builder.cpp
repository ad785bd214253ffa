#include "data/caching/shard_builder.h"

#include <algorithm>
#include <functional>
#include <type_traits>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "comm/fail_together.h"
#include "common/cpu_cores.h"
#include "common/error.h"
#include "common/utf8.h"
#include "data/caching/picture_view.h"
#include "data/caching/stop_request.h"
#include "data/images/image_file.h"
#include "data/shards/shard_writer.h"

namespace sdlora::data {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostDecoders = 16;  // a rank
constexpr size_t kPicturesPerThreadAndRound = 8;
constexpr size_t kPicturesPerGpuAndRound = 64;
constexpr int64_t kMostUnreadInARow = 8;

int64_t decoder_count(const comm::Communicator& world) {
  const int64_t cores = usable_core_count();
  return std::clamp<int64_t>(cores / world.local_size(), 1, kMostDecoders);
}

// f32
Json packed(const at::Tensor& values) {
  const at::Tensor plain = values.contiguous();
  const auto* first = static_cast<const uint8_t*>(plain.const_data_ptr());
  return {{"shape", plain.sizes().vec()}, {"values", Json::binary_t({first, first + plain.nbytes()})}};
}

at::Tensor unpacked(Json& entry) {
  const auto shape = entry.at("shape").get<std::vector<int64_t>>();
  return at::from_blob(entry.at("values").get_binary().data(), shape, at::TensorOptions(at::kFloat)).clone();
}

std::string pack(const std::vector<EncodedPicture>& pictures) {
  Json list = Json::array();
  for (const EncodedPicture& picture : pictures) {
    Json entry = {{"reason", valid_utf8(picture.unusable_reason)},
                  {"is_reused", picture.is_reused},
                  {"change", picture.change}};
    if (picture.latents.defined()) entry["latents"] = packed(picture.latents);
    if (picture.mask.defined()) entry["mask"] = packed(picture.mask);
    list.push_back(std::move(entry));
  }
  std::string message;
  Json::to_cbor(list, message);
  return message;
}

std::vector<EncodedPicture> unpack(const std::string& message) {
  std::vector<EncodedPicture> pictures;
  Json list = Json::from_cbor(message);
  for (Json& entry : list) {
    pictures.push_back({.unusable_reason = entry.at("reason"),
                        .is_reused = entry.at("is_reused"),
                        .change = entry.at("change")});
    if (entry.contains("latents")) pictures.back().latents = unpacked(entry.at("latents"));
    if (entry.contains("mask")) pictures.back().mask = unpacked(entry.at("mask"));
  }
  return pictures;
}

// What is so throughout is not said.
template <typename Value>
void clear_if_all(const std::type_identity_t<Value>& value, std::vector<Value>& column) {
  if (std::all_of(column.begin(), column.end(), [&](const Value& entry) { return entry == value; }))
    column.clear();
}

}  // namespace

ShardBuilder::ShardBuilder(const CacheOptions& options, const std::vector<PictureSubset>& subsets,
                           const CachePlan& plan, comm::Communicator& world, ImageLoader& loader,
                           OutputDirectory* output)
    : options_(options),
      subsets_(subsets),
      plan_(plan),
      world_(world),
      output_(output),
      encoder_(options, subsets, plan, loader, decoder_count(world)) {}

ShardResult ShardBuilder::build(const PlannedShard& shard, const PictureDone& picture_done) {
  const size_t own_per_round =
      options_.device.is_cuda() ? kPicturesPerGpuAndRound
                                : kPicturesPerThreadAndRound * static_cast<size_t>(encoder_.thread_count());
  const size_t round_size = own_per_round * static_cast<size_t>(world_.size());
  std::vector<EncodedPicture> encoded;
  while (encoded.size() < shard.samples.size()) {
    if (!encoded.empty()) save_partial(shard, encoded, /*is_due=*/false);
    const auto first = shard.samples.begin() + static_cast<ptrdiff_t>(encoded.size());
    const auto count = static_cast<ptrdiff_t>(std::min(round_size, shard.samples.size() - encoded.size()));
    const std::vector<EncodedPicture> round = gather_round({first, first + count}, picture_done);
    encoded.insert(encoded.end(), round.begin(), round.end());
    try {
      check_round(shard, encoded, encoded.size() - round.size());
    } catch (const Error&) {  // on every rank
      save_partial(shard, encoded, /*is_due=*/true);
      throw;
    }
  }

  ShardResult result;
  for (size_t sample = 0; sample < encoded.size(); ++sample) {
    if (encoded[sample].latents.defined()) {
      ++result.picture_count;
      if (!encoded[sample].is_reused) ++result.encoded_count;
    } else {
      result.skipped.push_back({shard.samples[sample].source, encoded[sample].unusable_reason});
    }
  }
  comm::fail_together(world_, [&] {
    if (output_ == nullptr || result.picture_count == 0) return;
    write_shard(options_.output / shard.file_name, content_of(shard, encoded));
    output_->add_finished(describe_file(options_.output / shard.file_name, result.picture_count),
                          result.skipped);
  });
  return result;
}

// (all ranks, and all throw alike) Of the pictures from number `first` on.
void ShardBuilder::check_round(const PlannedShard& shard, const std::vector<EncodedPicture>& encoded,
                               size_t first) {
  std::vector<std::vector<UnreadPicture>> unread(subsets_.size());
  for (size_t place = first; place < encoded.size(); ++place) {
    const PlannedSample& sample = shard.samples[place];
    if (!encoded[place].change.empty()) {
      if (output_ != nullptr) output_->forget_scan();  // it may be what is wrong
      throw Error(ExitCode::kBadData,
                  {.what = "an image changed while it was being cached",
                   .expected = "the same file to the end",
                   .seen = encoded[place].change,
                   .where = subsets_[static_cast<size_t>(sample.subset)].file_of(sample.source).string(),
                   .advice = "run cache_latents again when nobody writes there; what is "
                             "encoded is kept"});
    }
    if (is_unreadable(encoded[place].unusable_reason))
      unread[static_cast<size_t>(sample.subset)].push_back(
          {subsets_[static_cast<size_t>(sample.subset)].source_of(sample.source),
           static_cast<int>((place - first) % static_cast<size_t>(world_.size())),
           encoded[place].unusable_reason});
  }
  const auto begin = encoded.begin() + static_cast<ptrdiff_t>(first);
  if (std::any_of(begin, encoded.end(), std::mem_fn(&EncodedPicture::is_left_out)))
    throw stopped_by_a_signal();
  for (size_t subset = 0; subset < subsets_.size(); ++subset)
    require_same_view(subsets_[subset].folder, unread[subset], world_);
  for (size_t place = first; place < encoded.size(); ++place)
    count_unread(encoded[place], shard.samples[place]);
}

// One picture may go; when all do, it is the disk that went.
void ShardBuilder::count_unread(const EncodedPicture& picture, const PlannedSample& sample) {
  if (picture.is_reused) return;
  unread_in_a_row_ = is_unreadable(picture.unusable_reason) ? unread_in_a_row_ + 1 : 0;
  if (unread_in_a_row_ < kMostUnreadInARow) return;
  throw Error(
      ExitCode::kIo,
      {.what = fmt::format("{} pictures in a row cannot be read any more", unread_in_a_row_),
       .seen = picture.unusable_reason,
       .where = subsets_[static_cast<size_t>(sample.subset)].file_of(sample.source).string(),
       .advice = "check the disk or mount of the pictures, and run cache_latents again; what is encoded "
                 "is kept"});
}

// (all ranks) Each encodes every size-th picture; all get all, in order.
std::vector<EncodedPicture> ShardBuilder::gather_round(const std::vector<PlannedSample>& samples,
                                                       const PictureDone& picture_done) {
  const auto rank = static_cast<size_t>(world_.rank());
  const auto rank_count = static_cast<size_t>(world_.size());
  std::vector<PlannedSample> own;
  for (size_t sample = rank; sample < samples.size(); sample += rank_count) own.push_back(samples[sample]);
  std::string message;
  comm::fail_together(world_, [&] { message = pack(encoder_.encode(own, picture_done)); });
  std::vector<EncodedPicture> all(samples.size());
  const std::vector<std::string> messages = world_.gather(message);
  for (size_t other = 0; other < rank_count; ++other) {
    std::vector<EncodedPicture> theirs = unpack(messages[other]);
    for (size_t entry = 0; entry < theirs.size(); ++entry)
      all[other + entry * rank_count] = std::move(theirs[entry]);
  }
  return all;
}

// (all ranks) Into a file from which the next run takes latents if this one ends early. `is_due`: however
// little it is.
void ShardBuilder::save_partial(const PlannedShard& shard, const std::vector<EncodedPicture>& encoded,
                                bool is_due) {
  comm::fail_together(world_, [&] {
    const std::chrono::duration<double> unsaved = Clock::now() - saved_at_;
    if (output_ == nullptr || (!is_due && unsaved.count() < options_.save_interval_seconds)) return;
    const ShardContent content = content_of(shard, encoded);
    if (content.picture_count() == 0) return;
    const std::filesystem::path file = options_.output / partial_name(shard.file_name);
    write_shard(file, content);
    output_->add_finished(describe_file(file, content.picture_count()), {});
    saved_at_ = Clock::now();
  });
}

// Of the pictures so far; those without latents are left out.
ShardContent ShardBuilder::content_of(const PlannedShard& shard,
                                      const std::vector<EncodedPicture>& encoded) const {
  ShardContent content;
  content.header = {.picture_size = shard.samples.front().fit_or_square(plan_.settings).size,
                    .vae_scaling_factor = plan_.settings.vae_scaling_factor,
                    .vae_sha256 = plan_.settings.vae_sha256,
                    .inputs_sha256 = shard.inputs_sha256,
                    .mixed_precision = plan_.settings.mixed_precision};
  std::vector<at::Tensor> latents, masks;
  for (size_t sample = 0; sample < encoded.size(); ++sample) {
    if (!encoded[sample].latents.defined()) continue;
    latents.push_back(encoded[sample].latents);
    if (encoded[sample].mask.defined()) masks.push_back(encoded[sample].mask);
    if (plan_.settings.mask == MaskKind::kFile)
      content.mask_sha256.push_back(shard.samples[sample].mask_sha256);
    content.subset.push_back(shard.samples[sample].subset);
    content.other_captions.push_back(shard.samples[sample].other_captions);
    content.caption_index.push_back(shard.samples[sample].caption_index);
    content.source.push_back(shard.samples[sample].source);
    content.source_sha256.push_back(shard.samples[sample].source_sha256);
    content.repeats.push_back(shard.samples[sample].repeats);
    if (const auto& fit = shard.samples[sample].fit) content.fit.push_back(*fit);
  }
  clear_if_all(int64_t{1}, content.repeats);
  clear_if_all(int64_t{0}, content.subset);
  clear_if_all({}, content.other_captions);
  if (!masks.empty()) content.masks = at::stack(masks);           // [N, h, w]
  if (!latents.empty()) content.latents = at::stack(latents, 1);  // [planes, N, 4, h, w]
  return content;
}

}  // namespace sdlora::data
