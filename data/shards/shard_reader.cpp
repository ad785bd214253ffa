#include "data/shards/shard_reader.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/images/folder_repeats.h"
#include "data/images/image_header.h"
#include "data/shards/cache_precision.h"

namespace sdlora::data {
namespace {

constexpr int kLatentRank = 4;
constexpr int kMaskRank = 3;

template <typename Value>
void check_length(const std::vector<Value>& values, int64_t expected, const Hdf5Place& place) {
  if (static_cast<int64_t>(values.size()) != expected)
    place.fail(fmt::format("{} rows, as the other columns have", expected), fmt::format("{}", values.size()));
}

// values [rows, …]; row by row, since isfinite() needs twice the memory of what it looks at
void check_finite(const at::Tensor& values, const Hdf5Place& place) {
  for (int64_t row = 0; row < values.size(0); ++row)
    if (!at::isfinite(values[row]).all().item<bool>())
      place.fail("finite values", fmt::format("NaN or infinity in row {}", row));
}

}  // namespace

ShardFile::ShardFile(const std::filesystem::path& file)
    : columns_(file, {"latent_mean", "latent_std", "caption_index", "source", "source_sha256"},
               {"latent_mean_flip", "latent_std_flip", "repeats", "other_captions", "subset", "mask",
                "mask_sha256", kFitColumns[0], kFitColumns[1], kFitColumns[2], kFitColumns[3], kFitColumns[4],
                kFitColumns[5]},
               kFormatVersion) {
  const hid_t id = columns_.file_id();
  header_.picture_size =
      columns_.format_version() == kPlainFormatVersion
          ? square(read_integer_attribute(id, "image_size", columns_.place()))
          : PictureSize{.width = read_integer_attribute(id, "image_width", columns_.place()),
                        .height = read_integer_attribute(id, "image_height", columns_.place())};
  header_.vae_scaling_factor = read_float_attribute(id, "vae_scaling_factor", columns_.place());
  header_.vae_sha256 = read_string_attribute(id, "vae_sha256", columns_.place());
  header_.inputs_sha256 = read_string_attribute(id, "inputs_sha256", columns_.place());
  header_.mixed_precision = read_precision_attribute(id, columns_.place());
  check_shapes();
}

void ShardFile::check_shapes() {
  const std::vector<int64_t> shape = columns_.shape("latent_mean", kLatentRank);
  picture_count_ = shape[0];
  const PictureSize& size = header_.picture_size;
  if (size.width <= 0 || size.height <= 0 || size.height % shape[2] != 0 ||
      latent_size(size, size.height / shape[2]).value_or(LatentSize()).width != shape[3])
    columns_.place()
        .in("latent_mean")
        .fail(fmt::format("latents of {} pixels", in_words(size)),
              fmt::format("[{}]", fmt::join(shape, ", ")));
  for (const char* name : kFitColumns)
    if (columns_.has(name) != has_fits())
      columns_.place().fail(fmt::format("all of {}, or none", fmt::join(kFitColumns, ", ")), "some of them");
  const bool is_plain = !has_fits() && !columns_.has("repeats") && !columns_.has("other_captions") &&
                        !columns_.has("subset") && !has_masks();
  if (columns_.format_version() == kPlainFormatVersion && !is_plain)
    columns_.place().fail("the columns of format version 1", "such of version 2");
  if (columns_.has("mask_sha256") && !has_masks()) columns_.place().fail("mask with mask_sha256", "none");
  if (has_masks() && columns_.shape("mask", kMaskRank) != std::vector<int64_t>{shape[0], shape[2], shape[3]})
    columns_.place().in("mask").fail(fmt::format("[{}, {}, {}]", shape[0], shape[2], shape[3]),
                                     fmt::format("[{}]", fmt::join(columns_.shape("mask", kMaskRank), ", ")));
  if (columns_.has("latent_mean_flip") != columns_.has("latent_std_flip"))
    columns_.place().fail("both latent_mean_flip and latent_std_flip, or neither", "one of them");
  for (int64_t plane = 1; plane < plane_count(); ++plane) {
    const std::string name = latent_dataset_name(plane);
    const std::vector<int64_t> seen = columns_.shape(name, kLatentRank);
    if (seen != shape)
      columns_.place().in(name).fail(fmt::format("[{}], as latent_mean", fmt::join(shape, ", ")),
                                     fmt::format("[{}]", fmt::join(seen, ", ")));
  }
}

std::vector<int64_t> ShardFile::read_caption_index() const {
  std::vector<int64_t> values = columns_.read_integers("caption_index");
  check_length(values, picture_count_, columns_.place().in("caption_index"));
  return values;
}

std::vector<std::string> ShardFile::read_source() const {
  std::vector<std::string> values = columns_.read_strings("source");
  check_length(values, picture_count_, columns_.place().in("source"));
  return values;
}

std::vector<std::string> ShardFile::read_source_sha256() const {
  std::vector<std::string> values = columns_.read_strings("source_sha256");
  check_length(values, picture_count_, columns_.place().in("source_sha256"));
  return values;
}

std::vector<PictureFit> ShardFile::read_fit() const {
  if (!has_fits()) return {};
  const auto column = [this](const char* name) {
    std::vector<int64_t> values = columns_.read_integers(name);
    check_length(values, picture_count_, columns_.place().in(name));
    return values;
  };
  std::array<std::vector<int64_t>, kFitColumns.size()> values;
  std::transform(kFitColumns.begin(), kFitColumns.end(), values.begin(), column);
  const auto& [original_width, original_height, resized_width, resized_height, left, top] = values;
  std::vector<PictureFit> fits;
  for (size_t row = 0; row < left.size(); ++row) {
    const PictureFit fit{.original = {original_width[row], original_height[row]},
                         .resized = {resized_width[row], resized_height[row]},
                         .size = header_.picture_size};
    const bool is_possible = fit.original.width > 0 && fit.original.width <= kMaxSidePixels &&
                             fit.original.height > 0 && fit.original.height <= kMaxSidePixels &&
                             fit.resized.width >= fit.size.width && fit.resized.height >= fit.size.height;
    if (!is_possible || left[row] != fit.left() || top[row] != fit.top())
      columns_.place()
          .in("crop_left")
          .fail("the centre of a picture that covers its bucket",
                fmt::format("another place in row {}", row));
    fits.push_back(fit);
  }
  return fits;
}

std::vector<int64_t> ShardFile::read_repeats() const {
  if (!columns_.has("repeats")) return {};
  const Hdf5Place place = columns_.place().in("repeats");
  std::vector<int64_t> values = columns_.read_integers("repeats");
  check_length(values, picture_count_, place);
  for (const int64_t value : values)
    if (value < 1 || value > kMostRepeats)
      place.fail(fmt::format("1 … {}", kMostRepeats), fmt::format("{}", value));
  return values;
}

std::vector<std::vector<int64_t>> ShardFile::read_other_captions() const {
  if (!columns_.has("other_captions")) return {};
  const Hdf5Place place = columns_.place().in("other_captions");
  const std::vector<std::string> texts = columns_.read_strings("other_captions");
  check_length(texts, picture_count_, place);
  std::vector<std::vector<int64_t>> lists;
  for (const std::string& text : texts) {
    std::vector<int64_t>& list = lists.emplace_back();
    const char *at = text.data(), *end = at + text.size();
    while (at != end) {
      if (!list.empty() && *at++ != ' ') place.fail("numbers with a space between", text);
      const auto [stopped, error] = std::from_chars(at, end, list.emplace_back());
      if (error != std::errc() || *at == '-') place.fail("numbers with a space between", text);
      at = stopped;
    }
  }
  return lists;
}

std::vector<int64_t> ShardFile::read_subset() const {
  if (!columns_.has("subset")) return {};
  std::vector<int64_t> values = columns_.read_integers("subset");
  check_length(values, picture_count_, columns_.place().in("subset"));
  return values;
}

std::vector<std::string> ShardFile::read_mask_sha256() const {
  if (mask_kind() != MaskKind::kFile) return {};
  std::vector<std::string> values = columns_.read_strings("mask_sha256");
  check_length(values, picture_count_, columns_.place().in("mask_sha256"));
  return values;
}

at::Tensor ShardFile::read_masks() const {
  if (!has_masks()) return {};
  at::Tensor masks = columns_.read_floats("mask", kMaskRank);
  if (!(masks.ge(0) & masks.le(1)).all().item<bool>())  // false for NaN, too
    columns_.place().in("mask").fail("0 … 1", "another value");
  return masks;
}

at::Tensor ShardFile::read_mask_of(int64_t row) const {
  return columns_.read_float_row("mask", kMaskRank, row);
}

at::Tensor ShardFile::read_latents() const {
  std::vector<at::Tensor> planes;
  for (int64_t plane = 0; plane < plane_count(); ++plane) {
    const std::string name = latent_dataset_name(plane);
    planes.push_back(columns_.read_floats(name, kLatentRank));
    check_finite(planes.back(), columns_.place().in(name));
    const bool is_std = plane % 2 == 1;
    if (is_std && planes.back().lt(0).any().item<bool>())
      columns_.place().in(name).fail("standard deviations", "a negative one");
  }
  return at::stack(planes);
}

at::Tensor ShardFile::read_latents_of(int64_t row) const {
  std::vector<at::Tensor> planes;
  for (int64_t plane = 0; plane < plane_count(); ++plane)
    planes.push_back(columns_.read_float_row(latent_dataset_name(plane), kLatentRank, row));
  return at::stack(planes);
}

ShardContent read_shard(const std::filesystem::path& file) {
  const ShardFile shard(file);
  ShardContent content;
  content.header = shard.header();
  content.latents = shard.read_latents();
  content.caption_index = shard.read_caption_index();
  content.source = shard.read_source();
  content.source_sha256 = shard.read_source_sha256();
  content.fit = shard.read_fit();
  content.repeats = shard.read_repeats();
  content.other_captions = shard.read_other_captions();
  content.subset = shard.read_subset();
  content.masks = shard.read_masks();
  content.mask_sha256 = shard.read_mask_sha256();
  return content;
}

}  // namespace sdlora::data
