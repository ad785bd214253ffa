// What a cache must hold, decided from the inputs alone, and which of its files are there already.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/caching/cache_record.h"
#include "data/captions/captions.h"
#include "data/shards/manifest.h"

namespace sdlora::data {

inline constexpr const char* kOfItsAlpha = "alpha";  // in place of a file's hash

struct PlannedSample {
  std::string source;
  std::string source_sha256;
  int64_t caption_index = 0;
  std::optional<PictureFit> fit = std::nullopt;  // to its bucket; nothing without buckets
  int64_t repeats = 1;                           // in an epoch
  int64_t subset = 0;                            // subsets_of()'s (picture_subset.h)
  std::string mask_sha256 =
      {};  // of its mask's file, or kOfItsAlpha in a cache with masks by files; else empty
  std::string mask_name = {};  // of that file (PictureSubset::masks_root()); empty: there is none
  std::vector<int64_t> other_captions = {};  // where it has several, those after the first

  // What it is resized and cropped by.
  PictureFit fit_or_square(const CacheSettings& settings) const {
    return fit.value_or(unplanned_fit(settings.picture_size));
  }
};

struct PlannedShard {
  std::string file_name = {};
  std::string inputs_sha256 = {};           // over everything that the file's bytes depend on
  std::vector<PlannedSample> samples = {};  // of one size
  bool is_kept = false;                     // the file is there and holds just this
};

struct CachePlan {
  CacheSettings settings;
  std::vector<PlannedShard> shards = {};
  std::vector<std::string> captions = {};
  std::string text_inputs_sha256 = {};
  bool is_text_kept = false;
  std::vector<std::string> reusable_shards = {};  // files with latents that may be wanted again
  std::vector<SkippedImage> skipped = {};  // refused without decoding, or left out of a shard that is kept

  // Of these the pictures that do not decode are left out when their shard is made.
  int64_t picture_count() const;

  int64_t format_version() const;  // of the cache that is to be (shard_format.h)
};

// The samples by size, those of a size in the given order, shard_size a shard.
CachePlan make_cache_plan(const CacheSettings& settings, const std::vector<PlannedSample>& samples,
                          const std::vector<std::string>& captions);

// Sets is_kept and is_text_kept for the files of the record that were made from the same inputs, and adds the
// pictures that are left out of them to `skipped`.
void mark_reusable_files(CachePlan& plan, const CacheRecord& record,
                         const std::filesystem::path& cache_directory);

// To hand a plan from rank 0 to the others.
std::string to_json_text(const CachePlan& plan);
CachePlan parse_cache_plan(const std::string& json_text);

}  // namespace sdlora::data
