// The first look at the pictures: which there are, and what they are by hash.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/caching/cache_options.h"
#include "data/images/image_file.h"
#include "data/images/image_folder.h"

namespace sdlora::data {

struct ScannedPictures {
  FoundImages found;
  std::vector<InspectedImage> inspected;  // by found.sources
  // Likewise, of the mask's file beside it; empty where there is none, and where masks are not by files.
  std::vector<std::string> mask_sha256;
};

// (all ranks) Of one folder. Ranks share the reading and hashing; all get all. Throws on every rank
// Error(kUsage) when there is no such folder, Error(kMismatch) when the ranks do not see the same pictures,
// Error(kStopped) soon after one is asked to stop.
ScannedPictures scan_pictures(const CacheOptions& options, const std::filesystem::path& folder,
                              comm::Communicator& world);

}  // namespace sdlora::data
