// Latents that an earlier run made with the same model and settings, by the hashes of the image file and its
// mask's and how it was cropped: what moved to another shard, because images came or went before it, is
// copied and not encoded again.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/caching/cache_plan.h"
#include "data/shards/shard_reader.h"

namespace sdlora::data {

struct KnownPicture {
  at::Tensor latents;  // [planes, 4, h, w] f32
  at::Tensor mask;     // [h, w] f32; undefined in a cache without masks
};

class PreviousLatents {
 public:
  // Looks into the plan's reusable shards.
  PreviousLatents(const std::filesystem::path& cache_directory, const CachePlan& plan);

  std::optional<KnownPicture> find(const PlannedSample& sample);

 private:
  struct Row {
    size_t file;
    int64_t row;
  };

  std::vector<std::filesystem::path> files_;
  CacheSettings settings_;
  std::unordered_map<std::string, Row> rows_;  // by content and crop
  std::unique_ptr<ShardFile> open_shard_;      // the file of the last find
  size_t open_file_ = 0;
};

}  // namespace sdlora::data
