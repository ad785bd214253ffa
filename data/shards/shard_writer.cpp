#include "data/shards/shard_writer.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string_view>

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include "common/atomic_file.h"
#include "common/posix_file.h"
#include "data/shards/cache_precision.h"
#include "data/shards/cache_reading.h"
#include "data/shards/shard_reader.h"

namespace sdlora::data {
namespace {

constexpr size_t kImageGrowthBytes = size_t{1} << 20;

using FillFile = std::function<void(hid_t file)>;

// The file in memory is still open, which its superblock says; that of a file on disk must not.
void write_superblock_and_rest(const std::filesystem::path& output, std::string_view image) {
  constexpr size_t kVersionPlace = 8, kFlagsPlace = 20, kFlagsBytes = 4, kSuperblockBytes = 24;
  if (image.size() < kSuperblockBytes || image[kVersionPlace] != 0)
    throw Error(ExitCode::kInternal,
                {.what = "this HDF5 library makes files of another version", .where = output.string()});
  std::string superblock(image.substr(0, kSuperblockBytes));
  superblock.replace(kFlagsPlace, kFlagsBytes, kFlagsBytes, '\0');
  PosixFile written = PosixFile::create(output);
  written.write(superblock);
  written.write(image.substr(kSuperblockBytes));
  written.close();
}

// Writes the bytes of an HDF5 file that `fill` fills. HDF5 itself never writes to the disk: a full disk then
// is an error of our own write, not of a library that cannot close its file. The bytes are in memory once.
void write_file_image(const std::filesystem::path& output, const Hdf5Place& place, const FillFile& fill) {
  quieten_hdf5();
  const Hdf5Handle access{place.check(H5Pcreate(H5P_FILE_ACCESS), "prepare a file"), H5Pclose};
  place.check(H5Pset_fapl_core(access.id(), kImageGrowthBytes, false), "prepare a file in memory");
  place.check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), "prepare a file");
  const Hdf5Handle file{
      place.check(H5Fcreate(place.file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), "create the file"),
      H5Fclose};
  fill(file.id());
  place.check(H5Fflush(file.id(), H5F_SCOPE_GLOBAL), "flush the file");
  const int64_t byte_count = place.check(H5Fget_file_image(file.id(), nullptr, 0), "measure the file");
  void* memory = nullptr;  // where the file in memory keeps the address of its bytes
  place.check(H5Fget_vfd_handle(file.id(), access.id(), &memory), "find the file in memory");
  write_superblock_and_rest(output,
                            {*static_cast<const char* const*>(memory), static_cast<size_t>(byte_count)});
}

void write_column(hid_t file, const char* name, hid_t type, const std::vector<hsize_t>& shape,
                  const std::vector<hsize_t>& chunk, const void* data, const Hdf5Place& file_place) {
  const Hdf5Place place = file_place.in(name);
  const int rank = static_cast<int>(shape.size());
  const Hdf5Handle space{place.check(H5Screate_simple(rank, shape.data(), nullptr), "make a shape"),
                         H5Sclose};
  const Hdf5Handle creation{place.check(H5Pcreate(H5P_DATASET_CREATE), "prepare a dataset"), H5Pclose};
  place.check(H5Pset_chunk(creation.id(), rank, chunk.data()), "set the chunks");
  place.check(H5Pset_fletcher32(creation.id()), "set the checksum");
  place.check(H5Pset_obj_track_times(creation.id(), false), "leave out times");
  const Hdf5Handle dataset{
      place.check(H5Dcreate2(file, name, type, space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
                  "create the dataset"),
      H5Dclose};
  place.check(H5Dwrite(dataset.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), "write the dataset");
}

// rows [N, …] f32, one chunk per row
void write_rows(hid_t file, const char* name, const at::Tensor& rows, const Hdf5Place& place) {
  const at::Tensor plain = rows.to(at::kCPU, at::kFloat).contiguous();
  std::vector<hsize_t> shape(plain.sizes().begin(), plain.sizes().end());
  std::vector<hsize_t> chunk = shape;
  chunk[0] = 1;
  write_column(file, name, H5T_IEEE_F32LE, shape, chunk, plain.const_data_ptr<float>(), place);
}

void write_strings(hid_t file, const char* name, const std::vector<std::string>& values,
                   const Hdf5Place& place) {
  size_t longest_bytes = 1;
  for (const std::string& value : values) longest_bytes = std::max(longest_bytes, value.size());
  std::string padded(longest_bytes * values.size(), '\0');
  for (size_t row = 0; row < values.size(); ++row)
    std::memcpy(&padded[row * longest_bytes], values[row].data(), values[row].size());
  const Hdf5Handle type = fixed_string_type(longest_bytes, place);
  write_column(file, name, type.id(), {values.size()}, {values.size()}, padded.data(), place);
}

void write_integers(hid_t file, const char* name, const std::vector<int64_t>& values,
                    const Hdf5Place& place) {
  write_column(file, name, H5T_STD_I64LE, {values.size()}, {values.size()}, values.data(), place);
}

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

void require_read_back(bool equal, const std::filesystem::path& file) {
  if (equal) return;
  throw Error(ExitCode::kIo, {.what = "a file of the cache did not come back as it was written",
                              .where = file.string(),
                              .advice = "check the disk"});
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
  const auto fill = [&](hid_t id) {
    write_integer_attribute(id, "format_version", content.format_version(), place);
    write_size(id, content, place);
    write_float_attribute(id, "vae_scaling_factor", content.header.vae_scaling_factor, place);
    write_string_attribute(id, "vae_sha256", content.header.vae_sha256, place);
    write_string_attribute(id, "inputs_sha256", content.header.inputs_sha256, place);
    write_precision_attribute(id, content.header.mixed_precision, place);
    for (int64_t plane = 0; plane < content.latents.size(0); ++plane)
      write_rows(id, latent_dataset_name(plane), content.latents[plane], place);
    write_integers(id, "caption_index", content.caption_index, place);
    write_strings(id, "source", content.source, place);
    write_strings(id, "source_sha256", content.source_sha256, place);
    if (!content.repeats.empty()) write_integers(id, "repeats", content.repeats, place);
    if (!content.other_captions.empty()) write_lists(id, "other_captions", content.other_captions, place);
    if (!content.subset.empty()) write_integers(id, "subset", content.subset, place);
    if (content.masks.defined()) write_rows(id, "mask", content.masks, place);
    if (!content.mask_sha256.empty()) write_strings(id, "mask_sha256", content.mask_sha256, place);
    if (!content.fit.empty()) write_fits(id, content.fit, place);
  };
  write_file_atomically(file, [&](const std::filesystem::path& temporary) {
    write_file_image(temporary, place, fill);
    require_read_back(holds(read_shard(temporary), content), file);
  });
}

void write_text_file(const std::filesystem::path& file, const TextContent& content) {
  const Hdf5Place place{ExitCode::kIo, file.string()};
  const auto fill = [&](hid_t id) {
    write_integer_attribute(id, "format_version", content.format_version(), place);
    write_string_attribute(id, "text_encoder_sha256", content.text_encoder_sha256, place);
    write_string_attribute(id, "tokenizer_sha256", content.tokenizer_sha256, place);
    write_string_attribute(id, "inputs_sha256", content.inputs_sha256, place);
    write_precision_attribute(id, content.mixed_precision, place);
    write_reading_attributes(id, content.reading, place);
    write_rows(id, "embedding", content.embedding, place);
    write_strings(id, "caption", content.caption, place);
  };
  write_file_atomically(file, [&](const std::filesystem::path& temporary) {
    write_file_image(temporary, place, fill);
    require_read_back(holds_text(temporary, content), file);
  });
}

}  // namespace sdlora::data
