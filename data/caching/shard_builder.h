// Makes the shards of a plan that are not kept: the ranks encode, rank 0 writes.
#pragma once

#include <chrono>

#include "comm/communicator.h"
#include "data/caching/output_directory.h"
#include "data/caching/picture_encoder.h"

namespace sdlora::data {

struct ShardResult {
  int64_t picture_count = 0;          // in the file; 0: no file
  int64_t encoded_count = 0;          // the others were taken from an earlier run
  std::vector<SkippedImage> skipped;  // pictures that do not decode, or whose latents are not finite
};

class ShardBuilder {
 public:
  // Keeps references to all of them. `output` is rank 0's, null on the others.
  ShardBuilder(const CacheOptions& options, const std::vector<PictureSubset>& subsets, const CachePlan& plan,
               comm::Communicator& world, ImageLoader& loader, OutputDirectory* output);

  // (all ranks) The ranks share the pictures, round by round; `picture_done` is called on every rank for each
  // of its own. What is encoded is saved now and then, so that a killed run has lost little. A picture that
  // cannot be read any more is skipped. Throws on every rank, with all saved that is encoded: Error(kBadData)
  // when a file has changed since it was planned, Error(kMismatch) when the ranks do not see the same
  // pictures, Error(kIo) when many pictures in a row cannot be read, Error(kStopped) when a rank was asked to
  // stop.
  ShardResult build(const PlannedShard& shard, const PictureDone& picture_done);

 private:
  using Clock = std::chrono::steady_clock;

  std::vector<EncodedPicture> gather_round(const std::vector<PlannedSample>& samples,
                                           const PictureDone& picture_done);
  void check_round(const PlannedShard& shard, const std::vector<EncodedPicture>& encoded, size_t first);
  void count_unread(const EncodedPicture& picture, const PlannedSample& sample);
  void save_partial(const PlannedShard& shard, const std::vector<EncodedPicture>& encoded, bool is_due);
  ShardContent content_of(const PlannedShard& shard, const std::vector<EncodedPicture>& encoded) const;

  const CacheOptions& options_;
  const std::vector<PictureSubset>& subsets_;
  const CachePlan& plan_;
  comm::Communicator& world_;
  OutputDirectory* output_;
  PictureEncoder encoder_;
  int64_t unread_in_a_row_ = 0;
  Clock::time_point saved_at_ = Clock::now();
};

}  // namespace sdlora::data
