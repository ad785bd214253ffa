// Latents that an earlier run made with the same model and settings, by the hash of the image file and how it
// was cropped: what moved to another shard, because images came or went before it, is copied and not encoded
// again.
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

class PreviousLatents {
 public:
  // Looks into the plan's reusable shards.
  PreviousLatents(const std::filesystem::path& cache_directory, const CachePlan& plan);

  // [planes, 4, h, w] f32, or nothing.
  std::optional<at::Tensor> find(const PlannedSample& sample);

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
