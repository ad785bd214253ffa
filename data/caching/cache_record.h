// The hashes of the files that cache_latents wrote. A file whose bytes differ is never opened: HDF5 may crash
// on a damaged file, and its checksums guard the data alone.
//
// A finished cache has manifest.json. While a run is at work there is unfinished.json instead, brought up to
// date after every file, from which the next run goes on if this one is killed.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "data/shards/manifest.h"

namespace sdlora::data {

inline constexpr const char* kJournalName = "unfinished.json";

struct CacheRecord {
  std::map<std::string, ManifestFile> files;    // by name
  std::map<std::string, std::string> left_out;  // pictures that gave no latents: the reason by source

  void add(const ManifestFile& file) { files[file.name] = file; }
};

// Of the manifest, else of the journal; empty when neither is there and whole.
CacheRecord read_record(const std::filesystem::path& cache_directory);

// Removes from the directory and the record the files that are not as recorded, with a warning for each.
void remove_damaged(const std::filesystem::path& cache_directory, CacheRecord& record);

// Atomically. Throws Error(kIo).
void write_journal(const std::filesystem::path& cache_directory, const CacheRecord& record);

}  // namespace sdlora::data
