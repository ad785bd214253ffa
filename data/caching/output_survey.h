// Whose the files in an output directory are. What is not proven to be ours is never replaced or removed: a
// directory where that would have to happen is refused.
//
// Ours are: files that our manifest or journal names; HDF5 files with the attributes of our format; a
// manifest and a journal that say that they are such, or that are no JSON at all and lie beside data of ours;
// temporary files by their exact names. Links and folders are never ours.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "data/caching/cache_record.h"

namespace sdlora::data {

struct OutputSurvey {
  std::set<std::string> ours;         // names that may be replaced or removed
  std::set<std::string> unvouched;    // of these, the data files that the record does not name
  std::set<std::string> newer_files;  // of these, those that a newer program made
};

// Changes nothing. A directory that is not there is empty. Throws Error(kUsage) naming every file in the way,
// Error(kIo) when the directory cannot be listed.
OutputSurvey survey_output(const std::filesystem::path& directory, const CacheRecord& record);

}  // namespace sdlora::data
