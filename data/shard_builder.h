// Makes the shards of a plan that are not kept.
#pragma once

#include "comm/communicator.h"
#include "data/cache_options.h"
#include "data/cache_plan.h"
#include "data/image_loader.h"
#include "data/latent_encoder.h"
#include "data/previous_latents.h"

namespace sdlora::data {

struct ShardResult {
  int64_t sample_count = 0;           // in the file; 0: no file
  int64_t encoded_count = 0;          // the others were taken from an earlier run
  std::vector<SkippedImage> skipped;  // pictures that do not decode, or whose latents are not finite
};

class ShardBuilder {
 public:
  // Keeps references to all of them.
  ShardBuilder(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world,
               ImageLoader& loader);

  // (all ranks) The ranks share the pictures; rank 0 writes the file. `picture_done` is called on every rank
  // for each of its own pictures. Throws Error(kBadData) when a file has changed since it was planned.
  ShardResult build(const PlannedShard& shard, const std::function<void()>& picture_done);

 private:
  struct Encoded {
    at::Tensor latents = {};           // [planes, 4, h, w], or undefined
    std::string unusable_reason = {};  // why there are none
    bool is_reused = false;
  };

  std::vector<Encoded> encode_own(const PlannedShard& shard, const std::function<void()>& picture_done);
  Encoded encode(const PlannedSample& sample, const LoadedImage& image);
  std::vector<Encoded> gather_all(const std::vector<Encoded>& own, size_t sample_count);
  void write(const PlannedShard& shard, const std::vector<Encoded>& encoded) const;

  const CacheOptions& options_;
  const CachePlan& plan_;
  comm::Communicator& world_;
  ImageLoader& loader_;
  LatentEncoder encoder_;
  PreviousLatents previous_;
};

}  // namespace sdlora::data
