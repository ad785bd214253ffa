// The hashes of the files that cache_latents wrote. A file whose bytes differ is never opened: HDF5 may crash
// on a damaged file, and its checksums guard the data alone.
//
// A finished cache has manifest.json. While a run is at work there is unfinished.json instead, brought up to
// date after every file, from which the next run goes on if this one is killed.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "data/caching/owned_names.h"
#include "data/shards/manifest.h"

namespace sdlora::data {

struct CacheRecord {
  std::map<std::string, ManifestFile> files = {};    // by name
  std::map<std::string, std::string> left_out = {};  // pictures that gave no latents: the reason by source
  // What the cache is made with, or was to be; nothing where neither manifest nor journal says so.
  std::optional<CacheSettings> settings = std::nullopt;
  bool is_finished = false;        // by a manifest
  bool replaces_another = false;   // unfinished, and what was put aside was made differently (--rebuild)
  std::string manifest_flaw = {};  // why manifest.json is of no use, in words; empty for a good one
  int64_t format_version = kPlainFormatVersion;  // of an unfinished one's files, finished or to be made
  int64_t newest_format = 0;  // of manifest and journal, also of one that this program cannot read

  void add(const ManifestFile& file) { files[file.name] = file; }
};

// Of the manifest, else of the journal; without files when neither is there and whole. Throws
// Error(kIo) when the manifest cannot be read.
CacheRecord read_record(const std::filesystem::path& cache_directory);

// Removes from the directory and the record the files that are not as recorded, with a warning for each;
// parts of files from the record alone. `between_pieces` is called after each MiB, and may throw. Throws
// Error(kIo) for a file that cannot be read: it may be good.
void remove_damaged(const std::filesystem::path& cache_directory, CacheRecord& record,
                    const std::function<void()>& between_pieces = nullptr);

// Atomically. Throws Error(kIo).
void write_journal(const std::filesystem::path& cache_directory, const CacheRecord& record);

}  // namespace sdlora::data
