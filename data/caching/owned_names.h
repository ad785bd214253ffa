// The names that cache_latents gives to its files in the output directory. It touches no others.
#pragma once

#include <cstdint>
#include <string>

namespace sdlora::data {

inline constexpr const char* kJournalName = "unfinished.json";
inline constexpr const char* kLockName = ".cache_latents.lock";
inline constexpr const char* kScanName = ".cache_latents.scan";  // scan_memory.h

enum class NameKind {
  kForeign,    // never written, replaced or removed
  kData,       // a shard or the text file: finished, put aside, or in part
  kManifest,   // manifest.json
  kJournal,    // unfinished.json
  kTargets,    // metrics_targets.json
  kLock,       // .cache_latents.lock
  kScan,       // .cache_latents.scan
  kTemporary,  // what common/atomic_file.h makes of any of these
};

NameKind kind_of_name(const std::string& name);

// "shard-00007.h5" or "text.h5": finished.
bool is_finished_data_name(const std::string& name);

// The name under which an old file is put aside, and that of a file of which a part is done.
std::string previous_name(const std::string& name);
// The text file may have several parts.
std::string partial_name(const std::string& name, int64_t number = 0);

bool is_previous_name(const std::string& name);
bool is_partial_name(const std::string& name);

// Of a data file: without what marks it as put aside or in part.
std::string finished_name(const std::string& name);

}  // namespace sdlora::data
