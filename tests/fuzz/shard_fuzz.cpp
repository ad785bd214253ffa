// The HDF5 files of a cache, whole and sound as HDF5, and in them objects, types, shapes, storage and values
// of the fuzzer's choice. (Damage below that level is shard_bytes_fuzz.cpp's: HDF5 itself does not bear it.)
#include <ATen/ATen.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <hdf5.h>

#include "data/shards/hdf5_handles.h"
#include "data/shards/shard_reader.h"
#include "data/shards/text_file.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"
#include "tests/fuzz/text_rows.h"

using namespace sdlora;

namespace {

using data::Hdf5Handle;

constexpr const char* kColumns[] = {"latent_mean",   "latent_std", "latent_mean_flip", "latent_std_flip",
                                    "caption_index", "source",     "source_sha256",    "embedding",
                                    "caption",       "other"};
// Of format 2, integers all.
constexpr const char* kNewerColumns[] = {"repeats",       "original_width", "original_height",
                                         "resized_width", "resized_height", "crop_left",
                                         "crop_top"};
constexpr const char* kAttributes[] = {"format_version",  "image_size",    "vae_scaling_factor",
                                       "vae_sha256",      "inputs_sha256", "text_encoder_sha256",
                                       "tokenizer_sha256"};
constexpr const char* kNewerAttributes[] = {"image_width", "image_height"};

// What the format has in this place, most of the time.
template <typename Value>
Value mostly(FuzzedDataProvider& input, Value usual, Value other) {
  return input.ConsumeIntegralInRange(0, 15) == 0 ? other : usual;
}

Hdf5Handle type_of(FuzzedDataProvider& input, int usual) {
  switch (mostly(input, usual, input.ConsumeIntegralInRange(0, 8))) {
    case 0:
      return {H5Tcopy(H5T_IEEE_F32LE), H5Tclose};
    case 1:
      return {H5Tcopy(H5T_STD_I64LE), H5Tclose};
    case 2: {
      Hdf5Handle type{H5Tcopy(H5T_C_S1), H5Tclose};
      H5Tset_size(type.id(), input.ConsumeIntegralInRange<size_t>(1, 40));
      return type;
    }
    case 3:
      return {H5Tcopy(H5T_IEEE_F64LE), H5Tclose};
    case 4:
      return {H5Tcopy(H5T_IEEE_F32BE), H5Tclose};
    case 5:
      return {H5Tcopy(H5T_STD_U64BE), H5Tclose};
    case 6:
      return {H5Tcopy(H5T_STD_I8LE), H5Tclose};
    case 7:
      return {H5Tcreate(H5T_COMPOUND, 16), H5Tclose};
    default: {
      Hdf5Handle type{H5Tcopy(H5T_C_S1), H5Tclose};
      H5Tset_size(type.id(), H5T_VARIABLE);
      return type;
    }
  }
}

// `value_count` values of any type; those of variable length are pointers, and get none.
std::string values_for(FuzzedDataProvider& input, hid_t type, size_t value_count) {
  std::string bytes(H5Tget_size(type) * value_count, '\0');
  if (H5Tis_variable_str(type) > 0) return bytes;
  if (input.ConsumeBool()) return bytes;
  const std::string given = input.ConsumeBytesAsString(std::min<size_t>(bytes.size(), 400));
  for (size_t i = 0; i < bytes.size() && !given.empty(); ++i) bytes[i] = given[i % given.size()];
  return bytes;
}

void add_column(FuzzedDataProvider& input, hid_t file, const char* name, int usual_type, int usual_rank) {
  const Hdf5Handle type = type_of(input, usual_type);
  std::vector<hsize_t> dims(
      static_cast<size_t>(mostly(input, usual_rank, input.ConsumeIntegralInRange(0, 6))));
  size_t value_count = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    dims[i] = mostly<hsize_t>(input, i == 0 ? 2 : 4, input.ConsumeIntegralInRange<hsize_t>(0, 5));
    value_count *= dims[i];
  }
  const bool can_grow = mostly(input, false, true);  // then a chunk may be larger than the column
  const std::vector<hsize_t> most(dims.size(), H5S_UNLIMITED);
  const Hdf5Handle space{
      H5Screate_simple(static_cast<int>(dims.size()), dims.data(), can_grow ? most.data() : nullptr),
      H5Sclose};
  const Hdf5Handle creation{H5Pcreate(H5P_DATASET_CREATE), H5Pclose};
  if (!dims.empty() && mostly(input, true, false)) {
    std::vector<hsize_t> chunk = dims;
    for (hsize_t& side : chunk)
      side = can_grow ? input.ConsumeIntegralInRange<hsize_t>(1, 1 << 28) : std::max<hsize_t>(side, 1);
    H5Pset_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data());
    if (mostly(input, true, false)) H5Pset_fletcher32(creation.id());
    if (mostly(input, false, true)) H5Pset_deflate(creation.id(), 1);
  } else if (input.ConsumeBool()) {
    H5Pset_layout(creation.id(), H5D_COMPACT);
  } else if (input.ConsumeBool()) {
    H5Pset_external(creation.id(), "/etc/hostname", 0, H5F_UNLIMITED);
  }
  const Hdf5Handle column{
      H5Dcreate2(file, name, type.id(), space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Dclose};
  const std::string values = values_for(input, type.id(), value_count);
  if (column.id() >= 0 && !values.empty() && !can_grow && mostly(input, true, false))
    H5Dwrite(column.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
}

void add_attribute(FuzzedDataProvider& input, hid_t file, const char* name, int usual_type, int64_t usual) {
  const Hdf5Handle type = type_of(input, usual_type);
  const hsize_t two = 2;
  const Hdf5Handle space{
      mostly(input, true, false) ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &two, nullptr), H5Sclose};
  const Hdf5Handle attribute{H5Acreate2(file, name, type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT),
                             H5Aclose};
  std::string value = values_for(input, type.id(), 2);
  if (usual_type == 1 && H5Tis_variable_str(type.id()) <= 0 && value.size() >= sizeof usual &&
      mostly(input, true, false))
    value.replace(0, sizeof usual, reinterpret_cast<const char*>(&usual), sizeof usual);
  if (attribute.id() >= 0) H5Awrite(attribute.id(), type.id(), value.data());
}

// Made after all else, so that inputs found earlier mean what they meant.
void fill_as_format_2(FuzzedDataProvider& input, hid_t file) {
  for (const char* name : kNewerAttributes)
    if (mostly(input, true, false)) add_attribute(input, file, name, 1, 32);
  for (const char* name : kNewerColumns)
    if (mostly(input, true, false)) add_column(input, file, name, 1, 1);
}

void fill(FuzzedDataProvider& input, hid_t file, bool is_shard) {
  const bool is_newer = is_shard && input.remaining_bytes() % 2 == 1;
  for (const std::string_view name : kAttributes)
    if (mostly(input, true, false))
      add_attribute(input, file, name.data(),
                    name == "vae_scaling_factor"       ? 3
                    : name.find("sha256") != name.npos ? 2
                                                       : 1,
                    name == "image_size"                   ? 32
                    : is_newer && name == "format_version" ? 2
                                                           : 1);
  for (size_t i = 0; i < std::size(kColumns); ++i) {
    const bool belongs = i == 9 ? false : is_shard ? (i < 2 || (i > 3 && i < 7)) : i >= 7;
    if (!mostly(input, belongs, !belongs)) continue;
    const bool is_float = i < 4 || i == 7;
    add_column(input, file, kColumns[i], is_float ? 0 : i == 4 ? 1 : 2, i < 4 ? 4 : i == 7 ? 3 : 1);
  }
  if (mostly(input, false, true)) H5Lcreate_soft("/source", file, "caption_index", H5P_DEFAULT, H5P_DEFAULT);
  if (mostly(input, false, true))
    H5Lcreate_external("x.h5", "/", file, "latent_std_flip", H5P_DEFAULT, H5P_DEFAULT);
  const std::string name = input.ConsumeRandomLengthString(20);
  if (mostly(input, false, true))
    Hdf5Handle{H5Gcreate2(file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose};
  if (is_newer) fill_as_format_2(input, file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  data::quieten_hdf5();
  FuzzedDataProvider input(data, size);
  const bool is_shard = input.ConsumeBool();
  const std::filesystem::path path = fuzz::folder() / "input.h5";
  {
    const Hdf5Handle access{H5Pcreate(H5P_FILE_ACCESS), H5Pclose};
    H5Pset_libver_bounds(access.id(), input.ConsumeBool() ? H5F_LIBVER_EARLIEST : H5F_LIBVER_LATEST,
                         H5F_LIBVER_LATEST);
    const Hdf5Handle file{H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), H5Fclose};
    fill(input, file.id(), is_shard);
  }
  fuzz::expect_orderly([&] {
    if (!is_shard) return fuzz::read_text_rows(path);
    (void)data::ShardFile(path).read_latents_of(1);
    (void)data::read_shard(path);
  });
  return 0;
}
