// MANIFEST.json of a checkpoint: format version, step, and every file's size and SHA-256. A checkpoint
// without one is not complete; a checkpoint that differs from it is damaged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sdlora::checkpoint {

inline constexpr const char* kManifestName = "MANIFEST.json";

// Hashes the files as they are in `directory` and writes the manifest beside them. Throws Error(kIo).
void write_manifest(const std::filesystem::path& directory, int64_t step,
                    const std::vector<std::string>& file_names);

// The manifest's step, once it lists exactly `file_names` and every file has the size and hash it says.
// Throws Error(kBadData) naming the file and the flaw.
int64_t verify_manifest(const std::filesystem::path& directory, const std::vector<std::string>& file_names);

}  // namespace sdlora::checkpoint
