// The cache directory while cache_latents works on it: one owner, a journal instead of the manifest, old
// files put aside so that what is in them can be used again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/caching/cache_plan.h"
#include "data/caching/cache_record.h"
#include "process/directory_lock.h"

namespace sdlora::data {

// The name under which an old file is put aside, and that of a shard of which a part is done.
std::string previous_name(const std::string& name);
std::string partial_name(const std::string& name);

// Held by rank 0 for the whole run. All functions throw Error(kIo).
class OutputDirectory {
 public:
  // Creates the directory where needed, locks it, and removes what is damaged. Throws Error(kMismatch) when
  // another run holds it.
  explicit OutputDirectory(std::filesystem::path directory);

  // The files that are here and whole.
  const CacheRecord& record() const { return record_; }

  // From here on the cache is not finished: the journal takes the manifest's place, and what is not kept is
  // renamed to NAME.previous. Files that nobody vouches for are removed.
  void begin_rebuild(const CachePlan& plan);

  // A file of the plan, or a part of one, has been written, without these pictures.
  void add_finished(const ManifestFile& file, const std::vector<SkippedImage>& left_out);

  // Writes the manifest, last, after removing our other files: what was put aside, shards that are no longer
  // needed, leftovers of killed runs. Other people's files stay. Returns whether anything has changed since
  // the manifest before.
  bool finish(const Manifest& manifest);

 private:
  std::filesystem::path directory_;
  process::DirectoryLock lock_;
  CacheRecord record_;
};

}  // namespace sdlora::data
