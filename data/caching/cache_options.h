// What cache_latents is asked to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "data/captions/captions.h"
#include "data/images/aspect_buckets.h"
#include "data/images/folder_repeats.h"
#include "data/images/picture_mask.h"
#include "model/clip/clip_text_reader.h"
#include "model/loading/mixed_precision.h"

namespace sdlora::data {

struct CacheOptions {
  std::filesystem::path model;
  std::filesystem::path vae;  // in place of the model's own; empty: that
  std::filesystem::path images;
  std::filesystem::path reg_images;      // regularisation pictures; empty: none
  std::filesystem::path dataset_config;  // in place of both: kohya's data-set file; empty: none
  std::filesystem::path output;
  int64_t image_size = 512;  // pixels along a side of the squares
  bool has_buckets = false;  // --aspect-buckets: not squares, but sizes of about that area
  BucketRules buckets;       // for these
  CaptionPlaces captions;
  FolderRepeats folder_repeats = FolderRepeats::kAuto;
  MaskKind mask = MaskKind::kNone;
  model::ClipReading reading;
  int64_t shard_size = 256;  // images per shard
  bool flip = false;
  bool may_replace = false;  // --rebuild: a cache that was made differently
  bool is_strict = false;    // whatever is left out is an error
  model::MixedPrecision mixed_precision = model::MixedPrecision::kNo;  // of VAE and text encoder
  at::Device device = at::kCPU;
  int encoder_threads = 1;  // on the CPU: pictures that a rank encodes at a time; does not change the files
  double save_interval_seconds = 60;     // how much work of an unfinished shard a kill may cost, about
  std::function<bool()> stop_requested;  // this rank was asked to save and leave; empty: never

  // Where the pictures come from, for a person.
  const std::filesystem::path& source() const { return dataset_config.empty() ? images : dataset_config; }
};

// How far a rank is in the images that are to be done in this run.
struct CacheMark {
  int64_t done_count = 0;   // of all ranks, by the pace of this one: they take turns image by image
  int64_t total_count = 0;  // likewise
  int64_t own_count = 0;    // of this rank, in all
  int64_t own_encoded_count = 0;
  int64_t own_reused_count = 0;  // the latents were there already
};

// Called on every rank before its first image and after each.
using CacheProgress = std::function<void(const CacheMark&)>;

}  // namespace sdlora::data
