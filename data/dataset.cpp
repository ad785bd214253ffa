#include "data/dataset.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/sha256.h"
#include "common/error.h"
#include "monitoring/memory/host_memory.h"

namespace sdlora::data {
namespace {

Manifest manifest_that_fits(const std::filesystem::path& cache_directory) {
  Manifest manifest = read_manifest(cache_directory);
  int64_t cache_bytes = 0;  // but for the embeddings, which stay on the disk
  for (const ManifestFile& shard : manifest.shards) cache_bytes += shard.bytes;
  const int64_t memory_bytes = monitoring::host_memory().limit_bytes;
  if (memory_bytes > 0 && cache_bytes > memory_bytes)
    throw Error(ExitCode::kMismatch, {.what = "the cache does not fit in this machine's memory",
                                      .expected = fmt::format("at most {} MiB", memory_bytes >> 20),
                                      .seen = fmt::format("{} MiB", cache_bytes >> 20),
                                      .where = cache_directory.string(),
                                      .advice = "train on fewer images, or on a machine with more memory"});
  return manifest;
}

}  // namespace

Dataset::Dataset(const std::filesystem::path& cache_directory)
    : manifest_(manifest_that_fits(cache_directory)),
      manifest_sha256_(sha256_without_report(cache_directory)),
      text_(load_text(cache_directory, manifest_)) {
  for (size_t index = 0; index < manifest_.shards.size(); ++index) {
    const ShardContent shard = load_shard(cache_directory, manifest_, index);
    shards_.push_back(shard.latents);
    masks_.push_back(shard.masks);
    sizes_.push_back(shard.header.picture_size);
    if (cell_of(index) != cell_of(0))
      throw Error(ExitCode::kBadData, {.what = "the shards' latents differ in shape",
                                       .expected = cell_of(0),
                                       .seen = cell_of(index),
                                       .where = (cache_directory / manifest_.shards[index].name).string()});
    for (int64_t row = 0; row < shard.picture_count(); ++row)
      shard_row_.push_back({.shard = index, .row = row});
    caption_index_.insert(caption_index_.end(), shard.caption_index.begin(), shard.caption_index.end());
    source_.insert(source_.end(), shard.source.begin(), shard.source.end());
    source_sha256_.insert(source_sha256_.end(), shard.source_sha256.begin(), shard.source_sha256.end());
    other_captions_.insert(other_captions_.end(), shard.other_captions.begin(), shard.other_captions.end());
    other_captions_.resize(source_.size());
    repeats_.insert(repeats_.end(), shard.repeats.begin(), shard.repeats.end());
    repeats_.resize(source_.size(), 1);
    subset_.insert(subset_.end(), shard.subset.begin(), shard.subset.end());
    subset_.resize(source_.size(), 0);
  }
}

// What all shards have in common, whatever the size of their pictures.
std::string Dataset::cell_of(size_t shard) const {
  const at::Tensor& latents = shards_[shard];
  return fmt::format("{} channels, a cell for {} pixels", latents.size(2),
                     sizes_[shard].height / latents.size(3));
}

std::string Dataset::buckets_in_words() const {
  std::vector<std::pair<PictureSize, int64_t>> counts;  // the shards of a size follow one another
  for (size_t shard = 0; shard < shards_.size(); ++shard) {
    if (counts.empty() || counts.back().first != sizes_[shard]) counts.emplace_back(sizes_[shard], 0);
    counts.back().second += shards_[shard].size(1);
  }
  std::vector<std::string> words;
  words.reserve(counts.size());
  for (const auto& [size, count] : counts) words.push_back(fmt::format("{} {}", to_text(size), count));
  return fmt::format("{}", fmt::join(words, ", "));
}

std::vector<CaptionRules> Dataset::caption_rules(const CaptionRules& of_run) const {
  std::vector<CaptionRules> rules;
  rules.reserve(subsets().size());
  for (const CacheSubset& subset : subsets()) rules.push_back(subset.captions.over(of_run));
  return rules;
}

bool Dataset::has_several_sizes() const {
  return std::any_of(sizes_.begin(), sizes_.end(),
                     [&](const PictureSize& size) { return size != sizes_.front(); });
}

int64_t Dataset::byte_count() const {
  int64_t bytes = latent_bytes();
  for (const at::Tensor& masks : masks_)
    if (masks.defined()) bytes += static_cast<int64_t>(masks.nbytes());
  return bytes;
}

bool Dataset::has_several_captions() const {
  return std::any_of(other_captions_.begin(), other_captions_.end(),
                     [](const std::vector<int64_t>& captions) { return !captions.empty(); });
}

int64_t Dataset::reg_count() const {
  int64_t count = 0;
  for (int64_t picture = 0; picture < picture_count(); ++picture) count += is_reg(picture) ? 1 : 0;
  return count;
}

int64_t Dataset::latent_bytes() const {
  int64_t bytes = 0;
  for (const at::Tensor& latents : shards_) bytes += static_cast<int64_t>(latents.nbytes());
  return bytes;
}

Sample Dataset::sample(int64_t index) const {
  const int64_t count = picture_count() * (manifest_.settings.flip ? 2 : 1);
  if (index < 0 || index >= count)
    throw Error(ExitCode::kInternal, {.what = "there is no such sample",
                                      .expected = fmt::format("0 … {}", count - 1),
                                      .seen = fmt::format("{}", index)});
  const bool is_mirrored = index >= picture_count();
  const int64_t picture = index % picture_count();
  const int64_t plane = is_mirrored ? kPlanesPlain : 0;
  const auto [shard, row] = row_of(index);
  const at::Tensor& latents = shards_[shard];
  at::Tensor mask = masks_[shard].defined() ? masks_[shard][row] : at::Tensor();
  if (mask.defined() && is_mirrored) mask = mask.flip(1);
  return {.latent_mean = latents[plane][row],
          .latent_std = latents[plane + 1][row],
          .mask = std::move(mask),
          .source = source_[static_cast<size_t>(picture)] + (is_mirrored ? " (mirrored)" : "")};
}

std::vector<int64_t> Dataset::embedding_shape() const {
  const std::vector<int64_t> shape = text_.shape();
  return {shape.begin() + 1, shape.end()};
}

std::vector<size_t> Dataset::captions_of(int64_t index) const {
  const auto picture = static_cast<size_t>(index % picture_count());
  std::vector<size_t> captions = {static_cast<size_t>(caption_index_[picture])};
  captions.insert(captions.end(), other_captions_[picture].begin(), other_captions_[picture].end());
  return captions;
}

}  // namespace sdlora::data
