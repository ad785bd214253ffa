// The files of a cache directory, as cache_latents writes them and Dataset reads them.
//
//   manifest.json      written last: without it the cache is not finished
//   shard-00000.h5 …   one HDF5 dataset per column, one row per sample:
//     latent_mean, latent_std            [N, 4, h, w] f32, of the VAE's posterior, before its scaling factor
//     latent_mean_flip, latent_std_flip  the same of the mirrored picture, only with --flip
//     caption_index                      [N] i64, a row of text.h5
//     source                             [N] string, path below the image folder
//     source_sha256                      [N] string, of the image file's bytes
//     attributes: format_version, image_size (i64), vae_scaling_factor (f64), vae_sha256, inputs_sha256
//     (string); mixed_precision (string), where the VAE did not compute in fp32
//     in format 2 image_width and image_height (i64) in place of image_size, and these columns, each where
//     there is something to say:
//     repeats                            [N] i64, how often an epoch has the picture, where not all are 1
//     other_captions                     [N] string, "2 5": rows of text.h5 besides caption_index, where a
//     picture has several
//     subset                             [N] i64, a place in the manifest's subsets, where not all are 0
//     mask                               [N, h, w] f32, 0 … 1, how far each cell of the latents counts; of the
//     picture, not of its mirror image; in a cache with masks
//     mask_sha256                        [N] string, of the mask's file, empty where a picture has none; with
//     masks by files
//     original_width, original_height    [N] i64, pixels, upright; where sizes differ, as all of the rest
//     resized_width, resized_height      [N] i64, pixels, before the crop to image_width × image_height
//     crop_left, crop_top                [N] i64, pixels, where that begins
//   text.h5
//     embedding  [M, L, C] f32, row 0 of the empty caption; L is 77, or 152 or 227 (max_token_length)
//     caption    [M] string
//     attributes: format_version (i64), text_encoder_sha256, tokenizer_sha256, inputs_sha256 (string);
//     mixed_precision (string), where the text encoder did not compute in fp32; in format 2 clip_skip,
//     max_token_length (i64), where they are not 1 and 75
//
// Strings are UTF-8 of fixed length, padded with NUL; the length is that of the longest in the file. Latents
// and embeddings are stored one chunk per row, the other columns as one chunk, everything with Fletcher32 and
// uncompressed. No times, names of hosts or ranks: the bytes depend on the content alone.
//
// A shard is of format 2 where it has a column of format 2, text.h5 where it has such an attribute, a
// manifest where it has such a file or such settings. All else is of format 1, which every program reads.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/images/picture_fit.h"
#include "model/clip/clip_text_reader.h"
#include "model/loading/mixed_precision.h"

namespace sdlora::data {

inline constexpr int64_t kPlainFormatVersion = 1;
inline constexpr int64_t kFormatVersion = 2;  // the newest
inline constexpr const char* kManifestName = "manifest.json";
inline constexpr const char* kTextFileName = "text.h5";

// What format 1 keeps of a size: the side of a square. Throws Error(kInternal) for any other size.
int64_t square_side(const PictureSize& size);

// "image_size" of a square, else "image_width" and "image_height".
template <typename Json>
void add_picture_size(Json& json, const PictureSize& size) {
  if (size.is_square()) {
    json["image_size"] = size.width;
  } else {
    json["image_width"] = size.width;
    json["image_height"] = size.height;
  }
}

// "shard-00007.h5"
std::string shard_file_name(int64_t shard_index);

// The planes of one picture's latents in memory, in this order; the last two only with --flip.
inline constexpr int64_t kPlanesPlain = 2;  // mean, std
inline constexpr int64_t kPlanesFlip =
    4;  // mean, std, mean of the mirrored picture, std of the mirrored picture

// Of a shard with buckets: PictureFit's numbers.
inline constexpr std::array<const char*, 6> kFitColumns = {
    "original_width", "original_height", "resized_width", "resized_height", "crop_left", "crop_top"};

// "latent_mean" for plane 0, and so on.
const char* latent_dataset_name(int64_t plane);

struct ShardHeader {
  PictureSize picture_size;  // of all its pictures
  double vae_scaling_factor = 0;
  std::string vae_sha256;
  std::string inputs_sha256;  // of everything that the shard was made from (cache_plan.h)
  model::MixedPrecision mixed_precision = model::MixedPrecision::kNo;  // of the VAE
};

struct ShardContent {
  ShardHeader header;
  at::Tensor latents;  // [planes, N, 4, h, w] f32
  std::vector<int64_t> caption_index;
  std::vector<std::string> source;
  std::vector<std::string> source_sha256;
  std::vector<PictureFit> fit = {};                       // empty: all are squares of one size
  std::vector<int64_t> repeats = {};                      // empty: each once
  std::vector<std::vector<int64_t>> other_captions = {};  // empty: each picture has one caption
  std::vector<int64_t> subset = {};                       // empty: all of the first
  at::Tensor masks = {};                                  // [N, h, w] f32; undefined: there are none
  std::vector<std::string> mask_sha256 = {};              // empty: no masks by files

  int64_t picture_count() const { return static_cast<int64_t>(source.size()); }

  int64_t format_version() const {
    const bool is_plain =
        fit.empty() && repeats.empty() && other_captions.empty() && subset.empty() && !masks.defined();
    return is_plain ? kPlainFormatVersion : kFormatVersion;
  }
};

struct TextContent {
  std::string text_encoder_sha256;
  std::string tokenizer_sha256;
  std::string inputs_sha256;
  model::MixedPrecision mixed_precision = model::MixedPrecision::kNo;  // of the text encoder
  model::ClipReading reading = {};
  at::Tensor embedding;  // [M, L, C] f32
  std::vector<std::string> caption;

  int64_t format_version() const {
    return reading == model::ClipReading() ? kPlainFormatVersion : kFormatVersion;
  }
};

}  // namespace sdlora::data
