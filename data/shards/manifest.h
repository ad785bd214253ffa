// manifest.json of a cache directory: what is in it. Written last, so a cache without one is not finished.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/images/image_folder.h"
#include "data/shards/cache_buckets.h"
#include "data/shards/cache_masks.h"
#include "data/shards/cache_reading.h"
#include "data/shards/cache_subset.h"
#include "data/shards/data_report.h"
#include "data/shards/shard_format.h"

namespace sdlora::data {

// What a cache is made with, apart from the images.
struct CacheSettings {
  PictureSize picture_size = square(512);  // with buckets the size whose area none exceeds
  std::optional<BucketRules> buckets = std::nullopt;
  MaskKind mask = MaskKind::kNone;
  bool flip = false;         // latents of the mirrored pictures as well
  int64_t shard_size = 256;  // images per shard
  double vae_scaling_factor = 0;
  std::string vae_sha256;
  std::string text_encoder_sha256;
  std::string tokenizer_sha256;
  model::ClipReading reading;
  model::MixedPrecision mixed_precision = model::MixedPrecision::kNo;  // of VAE and text encoder
  std::vector<CacheSubset> subsets = {CacheSubset()};                  // by PlannedSample::subset

  // Whether pictures are of several sizes, or of one that is no square: then it is noted down of each how it
  // came to its own.
  bool has_several_sizes() const;

  // Whether a sample is chosen between its picture and the mirror image, so that these are no samples.
  bool flips_by_chance() const;

  // Whether a program of before format 2 would understand them.
  bool are_plain() const;

  bool operator==(const CacheSettings&) const = default;
};

struct ManifestFile {
  std::string name;
  int64_t bytes = 0;
  std::string sha256;
  int64_t row_count = 0;          // pictures of a shard, captions of the text file
  PictureSize picture_size = {};  // of a shard of format 2; zeros for another file
  int64_t repeats = 0;            // of its pictures in an epoch, together; 0: each once

  bool operator==(const ManifestFile&) const = default;
};

struct Manifest {
  CacheSettings settings;
  std::vector<ManifestFile> shards;  // in the order of the pictures
  ManifestFile text;
  std::vector<SkippedImage> skipped;
  std::optional<DataReport> report = std::nullopt;  // nothing in a cache of before there was one

  int64_t picture_count() const;  // pictures; their mirror images are not counted

  int64_t repeated_count() const;  // in an epoch: each as often as it is repeated

  int64_t format_version() const;

  bool operator==(const Manifest&) const = default;
};

std::string to_json_text(const Manifest& manifest);

// SHA-256 of what decides a training: of manifest.json as it would be without the report.
std::string sha256_without_report(const std::filesystem::path& cache_directory);

// Throws Error(kBadData): no manifest, which means that the cache is not finished; a manifest that is
// damaged, or of another format version.
Manifest read_manifest(const std::filesystem::path& cache_directory);

// Size and SHA-256 of a finished file. `between_pieces`, here and below, is called after each MiB of it, and
// may throw. Throws Error(kIo).
ManifestFile describe_file(const std::filesystem::path& file, int64_t row_count,
                           const std::function<void()>& between_pieces = nullptr);

// Throws Error(kBadData) when the file is missing, or its size or its SHA-256 is not the manifest's.
void check_file(const std::filesystem::path& cache_directory, const ManifestFile& file,
                const std::function<void()>& between_pieces = nullptr);

}  // namespace sdlora::data
