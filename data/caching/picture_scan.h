// The first look at the pictures: which there are, and what they are by hash.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/caching/picture_subset.h"
#include "data/caching/scan_memory.h"
#include "data/images/image_file.h"
#include "data/images/image_folder.h"

namespace sdlora::data {

struct ScannedPictures {
  FoundImages found;
  std::vector<InspectedImage> inspected;  // by found.sources

  // A mask's file, of which there is none where the name is empty.
  struct Mask {
    std::string name;  // below PictureSubset::masks_root()
    std::string sha256;
  };

  std::vector<Mask> masks;  // by found.sources
};

// (all ranks) Rank 0's, of the output directory.
ScanMemory broadcast_scan_memory(const CacheOptions& options, comm::Communicator& world);

// (all ranks) Of one subset. Ranks share the reading and hashing of what `memory` does not know; all get all,
// also into `memory`, which rank 0 saves now and then. Throws on every rank Error(kUsage) when there is no
// such folder, Error(kMismatch) when the ranks do not see the same pictures, Error(kStopped) soon after one
// is asked to stop.
ScannedPictures scan_pictures(const CacheOptions& options, const PictureSubset& subset, ScanMemory& memory,
                              comm::Communicator& world);

}  // namespace sdlora::data
