// Reads the shards of a cache, checking schema, sizes and values (hdf5_columns.h says what is refused).
#pragma once

#include <filesystem>

#include "data/images/picture_mask.h"
#include "data/shards/hdf5_columns.h"
#include "data/shards/shard_format.h"

namespace sdlora::data {

// An opened shard, for reading single rows. All functions throw Error(kBadData) naming file and dataset.
class ShardFile {
 public:
  explicit ShardFile(const std::filesystem::path& file);

  const ShardHeader& header() const { return header_; }

  int64_t picture_count() const { return picture_count_; }

  int64_t format_version() const { return columns_.format_version(); }

  bool has_flip() const { return columns_.has(latent_dataset_name(kPlanesPlain)); }

  int64_t plane_count() const { return has_flip() ? kPlanesFlip : kPlanesPlain; }

  std::vector<int64_t> read_caption_index() const;
  std::vector<std::string> read_source() const;
  std::vector<std::string> read_source_sha256() const;

  bool has_fits() const { return columns_.has(kFitColumns[0]); }

  // How each picture came to its bucket; empty in a cache without buckets.
  std::vector<PictureFit> read_fit() const;

  // Each at least 1; empty where each is 1.
  std::vector<int64_t> read_repeats() const;

  // Rows of the text file besides read_caption_index(); empty where no picture has several.
  std::vector<std::vector<int64_t>> read_other_captions() const;

  // Places in the manifest's subsets; empty where each is 0.
  std::vector<int64_t> read_subset() const;

  bool has_masks() const { return columns_.has("mask"); }

  MaskKind mask_kind() const {
    if (!has_masks()) return MaskKind::kNone;
    return columns_.has("mask_sha256") ? MaskKind::kFile : MaskKind::kAlpha;
  }

  // Empty where there are no masks by files.
  std::vector<std::string> read_mask_sha256() const;

  // [N, h, w] f32, 0 … 1; undefined in a cache without masks.
  at::Tensor read_masks() const;

  // [h, w] f32
  at::Tensor read_mask_of(int64_t row) const;

  // [planes, N, 4, h, w] f32. Every value is finite and no standard deviation is negative.
  at::Tensor read_latents() const;

  // [planes, 4, h, w] f32 of one picture
  at::Tensor read_latents_of(int64_t row) const;

 private:
  void check_shapes();

  Hdf5Columns columns_;
  ShardHeader header_;
  int64_t picture_count_ = 0;
};

ShardContent read_shard(const std::filesystem::path& file);

}  // namespace sdlora::data
