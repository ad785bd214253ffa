// The folders that a cache's pictures come from, and what is done with those of each: to be learnt, or to
// show what the model is to keep of their class (regularisation).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/caching/cache_options.h"
#include "data/caching/cache_plan.h"

namespace sdlora::data {

inline constexpr int64_t kLargestImageSize = 4096;  // pixels along a side

struct PictureSubset {
  CacheSubset entry;  // as the cache names it
  std::filesystem::path folder;
  bool looks_below = true;  // in the folder's own folders, too
  int64_t dataset = 0;      // regularisation pictures are balanced with the others of one data set
  int64_t batch_size = 0;   // that a data-set file asks for; 0: it does not
  PictureSize size;         // of the pictures, or the size whose area no bucket exceeds
  std::optional<BucketRules> buckets = std::nullopt;
  std::optional<int64_t> repeats = std::nullopt;  // of each picture; nothing: as the folders' names say
  CaptionPlaces captions = {};
  MaskKind mask = MaskKind::kNone;
  std::filesystem::path mask_folder = {};  // of masks by files, named as their pictures; empty: beside them

  // Of a path below the folder: the picture's name in the cache. "a.png", and "reg:a.png".
  std::string name_of(const std::string& source) const { return entry.prefix() + source; }

  // The other way round.
  std::string source_of(const std::string& name) const { return name.substr(entry.prefix().size()); }

  std::filesystem::path file_of(const std::string& name) const { return folder / source_of(name); }

  // Where the names of masks' files are from.
  const std::filesystem::path& masks_root() const { return mask_folder.empty() ? folder : mask_folder; }
};

// --images, and --reg-images where there are such; or those of --dataset-config, whose text is
// `dataset_config`. A place in this list is PlannedSample::subset. Throws Error(kUsage) for a bad file.
std::vector<PictureSubset> subsets_of(const CacheOptions& options, const std::string& dataset_config = {});

// What all subsets have, or kFile where they differ.
MaskKind common_mask_kind(const std::vector<PictureSubset>& subsets);

// Throws Error(kUsage) where one of the folders lies in the other: a picture would be of both; and where
// there is no such data-set file.
void check_subsets(const CacheOptions& options);

}  // namespace sdlora::data
