// A finished cache directory, in memory, as the trainer wants it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/sample.h"
#include "data/shards/cache_files.h"

namespace sdlora::data {

// With --flip the mirror images are samples of their own: of N pictures, sample N + i is the mirror image of
// sample i. With a data-set file's flip_aug they are not counted as samples, but found under those numbers.
class Dataset {
 public:
  // Reads all but the embeddings: 128 KiB per picture of 512 × 512 (twice that with --flip, 16 KiB more with
  // a mask). Every file is checked (cache_files.h) before its values are used; text.h5 stays open. Throws
  // Error(kBadData) naming the file, Error(kMismatch) when the shards are larger than the memory of this
  // machine or container.
  explicit Dataset(const std::filesystem::path& cache_directory);

  int64_t sample_count() const { return picture_count() * (has_flip() ? 2 : 1); }

  int64_t picture_count() const { return static_cast<int64_t>(source_.size()); }

  // Whether mirror images are samples.
  bool has_flip() const { return manifest_.settings.flip && !manifest_.settings.flips_by_chance(); }

  // How the shapes of pictures were chosen, where they are of several.
  const std::optional<BucketRules>& bucket_rules() const { return manifest_.settings.buckets; }

  // Of every picture, or with aspect buckets the size whose area none exceeds.
  const PictureSize& picture_size() const { return manifest_.settings.picture_size; }

  bool has_several_sizes() const;

  // "640x384 12, 512x512 3": pictures of each size.
  std::string buckets_in_words() const;

  // Of sample `index`.
  const PictureSize& size_of(int64_t index) const { return sizes_[row_of(index).shard]; }

  // How often an epoch has sample `index`; 1 or more.
  int64_t repeats_of(int64_t index) const { return repeats_[static_cast<size_t>(index % picture_count())]; }

  // Whether sample `index` is a regularisation picture's.
  bool is_reg(int64_t index) const { return subsets()[subset_of(index)].is_reg; }

  const std::vector<CacheSubset>& subsets() const { return manifest_.settings.subsets; }

  // Of sample `index`: a place in subsets().
  size_t subset_of(int64_t index) const {
    return static_cast<size_t>(subset_[static_cast<size_t>(index % picture_count())]);
  }

  // By subset: the run's rules, with those of its own in their place.
  std::vector<CaptionRules> caption_rules(const CaptionRules& of_run) const;

  // Pictures, without mirror images.
  int64_t reg_count() const;

  // Of picture `index`: its path below its folder, behind its subset's prefix.
  const std::string& source_of(int64_t index) const { return source_[static_cast<size_t>(index)]; }

  // SHA-256 of the pictures' files, by picture.
  const std::vector<std::string>& source_sha256() const { return source_sha256_; }

  bool has_masks() const { return manifest_.settings.mask != MaskKind::kNone; }

  // Of all planes of all pictures.
  int64_t latent_bytes() const;

  // Of all that is in memory: these and the masks.
  int64_t byte_count() const;

  double vae_scaling_factor() const { return manifest_.settings.vae_scaling_factor; }

  const std::string& vae_sha256() const { return manifest_.settings.vae_sha256; }

  const std::string& text_encoder_sha256() const { return manifest_.settings.text_encoder_sha256; }

  const std::string& tokenizer_sha256() const { return manifest_.settings.tokenizer_sha256; }

  // How captions were read.
  const model::ClipReading& reading() const { return manifest_.settings.reading; }

  // What the text encoder computed in.
  model::MixedPrecision mixed_precision() const { return manifest_.settings.mixed_precision; }

  // Over the bytes of manifest.json but for its report; it holds the hashes of all other files.
  const std::string& manifest_sha256() const { return manifest_sha256_; }

  // Nothing in a cache of before there was one.
  const std::optional<DataReport>& report() const { return manifest_.report; }

  // Views, not copies, but for a mirror image's mask. index: 0 … sample_count() - 1; throws Error(kInternal)
  // otherwise.
  Sample sample(int64_t index) const;

  // Of sample `index`, or the first of several.
  const std::string& caption_of(int64_t index) const { return captions()[captions_of(index).front()]; }

  // Of sample `index`: places in captions(), one or more.
  std::vector<size_t> captions_of(int64_t index) const;

  bool has_several_captions() const;

  // [L, C] f32, of captions()[place]: read from text.h5 when it is asked for, 231 KiB of 75 tokens. Throws
  // Error(kBadData), Error(kIo) when it is not what it was at the start.
  at::Tensor embedding_of(size_t place) const { return text_.read_checked_row(static_cast<int64_t>(place)); }

  // [L, C]
  std::vector<int64_t> embedding_shape() const;

  // The different captions; the first is the empty one.
  const std::vector<std::string>& captions() const { return text_.content().caption; }

 private:
  struct ShardRow {
    size_t shard;
    int64_t row;
  };

  const ShardRow& row_of(int64_t index) const {
    return shard_row_[static_cast<size_t>(index % picture_count())];
  }

  std::string cell_of(size_t shard) const;

  Manifest manifest_;
  std::string manifest_sha256_;
  std::vector<at::Tensor> shards_;   // latents, [planes, n, 4, h, w] f32 each
  std::vector<at::Tensor> masks_;    // [n, h, w] f32 each, or undefined
  std::vector<PictureSize> sizes_;   // by shard
  std::vector<ShardRow> shard_row_;  // by picture, as the next six
  std::vector<int64_t> caption_index_;
  std::vector<std::vector<int64_t>> other_captions_;
  std::vector<int64_t> repeats_;
  std::vector<int64_t> subset_;
  std::vector<std::string> source_;
  std::vector<std::string> source_sha256_;
  TextFile text_;
};

}  // namespace sdlora::data
