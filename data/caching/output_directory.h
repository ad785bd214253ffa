// The cache directory while cache_latents works on it: one owner, a journal instead of the manifest, old
// files put aside so that what is in them can be used again.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "data/caching/cache_plan.h"
#include "data/caching/cache_record.h"
#include "data/caching/output_survey.h"
#include "process/directory_lock.h"

namespace sdlora::data {

// Held by rank 0 for the whole run. All functions throw Error(kIo).
class OutputDirectory {
 public:
  // Refuses a directory with files in the way that are not ours (output_survey.h) before anything is written.
  // Then creates it where needed, locks it, removes what is damaged, and takes whole files that no manifest
  // names into the record. `between_pieces` is called now and then, and may throw. Throws Error(kUsage),
  // Error(kMismatch) when another run holds it.
  explicit OutputDirectory(std::filesystem::path directory,
                           const std::function<void()>& between_pieces = nullptr);

  // The files that are here and whole.
  const CacheRecord& record() const { return record_; }

  // From here on the cache is not finished: the journal takes the manifest's place, and what is not kept is
  // renamed to NAME.previous. `replaces_another`: what is here was made differently. Files of ours that are
  // not of use are removed.
  void begin_rebuild(const CachePlan& plan, bool replaces_another = false);

  // A file of the plan, or a part of one, has been written, without these pictures.
  void add_finished(const ManifestFile& file, const std::vector<SkippedImage>& left_out);

  // The next run looks at all pictures again (scan_memory.h).
  void forget_scan() const;

  // Writes the manifest, last, after removing our other files: what was put aside, shards that are no longer
  // needed, leftovers of killed runs. Other people's files stay. Returns whether anything has changed since
  // the manifest before.
  bool finish(const Manifest& manifest);

 private:
  void take_in_unvouched(const std::set<std::string>& names, const std::function<void()>& between_pieces);
  void remove_ours_but(const std::set<std::string>& kept);

  std::filesystem::path directory_;
  process::DirectoryLock lock_;
  CacheRecord record_;
  std::set<std::string> ours_;  // names of files that may be removed: of the survey, and what we wrote since
};

}  // namespace sdlora::data
