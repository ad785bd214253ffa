// The job of cache_latents: a folder of images becomes a cache directory (shard_format.h).
#pragma once

#include "comm/communicator.h"
#include "data/caching/cache_options.h"
#include "data/caching/shrinkage.h"
#include "data/images/image_folder.h"
#include "data/images/image_loader.h"

namespace sdlora::data {

struct CacheReport {
  int64_t picture_count = 0;  // pictures in the cache
  int64_t caption_count = 0;  // different ones, the empty one among them
  int64_t shard_count = 0;
  int64_t shards_kept = 0;       // as they were
  bool has_changed = false;      // any file of the cache
  int64_t pictures_encoded = 0;  // in this run
  std::vector<SkippedImage> skipped;
  Shrinkage shrinkage;       // on rank 0
  std::string bucket_table;  // likewise, of a cache with buckets (bucket_table.h)
  std::string data_report;   // likewise (report_builder.h)
  std::string mask_summary;  // likewise, of a cache with masks (mask_summary.h)
};

// (all ranks) Makes what is missing or no longer right, keeps the rest, and writes the manifest last. The
// files depend on the inputs alone: not on the number of ranks, nor on what was there before. The report is
// complete on rank 0. A killed run leaves the old cache intact, or an unfinished one (without a manifest)
// that the next run completes. A run that is asked to stop keeps every encoded picture; if one rank is asked,
// all stop. Throws Error: kUsage (also for somebody's files in the way), kBadData (no usable image,
// captions missing, something left out where that is forbidden), kIo, kStopped, kMismatch (another run is at
// work in the directory, or it holds another cache).
CacheReport cache_latents(const CacheOptions& options, comm::Communicator& world, ImageLoader& loader,
                          const CacheProgress& progress);

}  // namespace sdlora::data
