#include "data/shards/shard_writer.h"

#include <functional>

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include "common/atomic_file.h"
#include "data/shards/cache_precision.h"
#include "data/shards/hdf5_column_writer.h"
#include "data/shards/hdf5_output.h"
#include "data/shards/read_back.h"
#include "data/shards/shard_reader.h"

namespace sdlora::data {
namespace {

// "2 5" of 2 and 5
void write_lists(hid_t file, const char* name, const std::vector<std::vector<int64_t>>& lists,
                 const Hdf5Place& place) {
  std::vector<std::string> texts;
  texts.reserve(lists.size());
  for (const std::vector<int64_t>& list : lists) texts.push_back(fmt::format("{}", fmt::join(list, " ")));
  write_strings(file, name, texts, place);
}

void write_size(hid_t file, const ShardContent& content, const Hdf5Place& place) {
  const PictureSize& size = content.header.picture_size;
  if (content.format_version() == kPlainFormatVersion)
    return write_integer_attribute(file, "image_size", square_side(size), place);
  write_integer_attribute(file, "image_width", size.width, place);
  write_integer_attribute(file, "image_height", size.height, place);
}

void write_fits(hid_t file, const std::vector<PictureFit>& fits, const Hdf5Place& place) {
  const auto write = [&](const char* name, const auto& value_of) {
    std::vector<int64_t> values;
    values.reserve(fits.size());
    for (const PictureFit& fit : fits) values.push_back(value_of(fit));
    write_integers(file, name, values, place);
  };
  write(kFitColumns[0], [](const PictureFit& fit) { return fit.original.width; });
  write(kFitColumns[1], [](const PictureFit& fit) { return fit.original.height; });
  write(kFitColumns[2], [](const PictureFit& fit) { return fit.resized.width; });
  write(kFitColumns[3], [](const PictureFit& fit) { return fit.resized.height; });
  write(kFitColumns[4], [](const PictureFit& fit) { return fit.left(); });
  write(kFitColumns[5], [](const PictureFit& fit) { return fit.top(); });
}

bool are_equal(const at::Tensor& left, const at::Tensor& right) {
  return left.defined() && right.defined() ? at::equal(left, right) : left.defined() == right.defined();
}

// Whether it came back as it was.
bool holds(const ShardContent& back, const ShardContent& content) {
  return at::equal(back.latents, content.latents) && back.caption_index == content.caption_index &&
         back.source == content.source && back.source_sha256 == content.source_sha256 &&
         back.fit == content.fit && back.repeats == content.repeats && back.subset == content.subset &&
         back.other_captions == content.other_captions && are_equal(back.masks, content.masks) &&
         back.mask_sha256 == content.mask_sha256;
}

}  // namespace

void write_shard(const std::filesystem::path& file, const ShardContent& content) {
  const size_t count = content.source.size();
  if (count == 0 || content.latents.dim() != 5 || content.latents.size(1) != content.picture_count() ||
      content.caption_index.size() != count || content.source_sha256.size() != count ||
      (!content.fit.empty() && content.fit.size() != count) ||
      (!content.repeats.empty() && content.repeats.size() != count) ||
      (!content.subset.empty() && content.subset.size() != count) ||
      (!content.other_captions.empty() && content.other_captions.size() != count) ||
      (content.masks.defined() && content.masks.size(0) != content.picture_count()) ||
      (!content.mask_sha256.empty() && content.mask_sha256.size() != count))
    throw Error(ExitCode::kInternal, {.what = "a shard's columns differ in length", .where = file.string()});
  const Hdf5Place place{ExitCode::kIo, file.string()};
  const auto fill = [&](hid_t id, const std::function<void()>& /*require_written*/) {
    write_integer_attribute(id, "format_version", content.format_version(), place);
    write_size(id, content, place);
    write_float_attribute(id, "vae_scaling_factor", content.header.vae_scaling_factor, place);
    write_string_attribute(id, "vae_sha256", content.header.vae_sha256, place);
    write_string_attribute(id, "inputs_sha256", content.header.inputs_sha256, place);
    write_precision_attribute(id, content.header.mixed_precision, place);
    for (int64_t plane = 0; plane < content.latents.size(0); ++plane)
      write_float_rows(id, latent_dataset_name(plane), content.latents[plane], place);
    write_integers(id, "caption_index", content.caption_index, place);
    write_strings(id, "source", content.source, place);
    write_strings(id, "source_sha256", content.source_sha256, place);
    if (!content.repeats.empty()) write_integers(id, "repeats", content.repeats, place);
    if (!content.other_captions.empty()) write_lists(id, "other_captions", content.other_captions, place);
    if (!content.subset.empty()) write_integers(id, "subset", content.subset, place);
    if (content.masks.defined()) write_float_rows(id, "mask", content.masks, place);
    if (!content.mask_sha256.empty()) write_strings(id, "mask_sha256", content.mask_sha256, place);
    if (!content.fit.empty()) write_fits(id, content.fit, place);
  };
  write_file_atomically(file, [&](const std::filesystem::path& temporary) {
    write_hdf5_file(temporary, place, fill);
    require_read_back(holds(read_shard(temporary), content), file);
  });
}

}  // namespace sdlora::data
