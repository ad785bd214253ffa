#include "data/shards/hdf5_columns.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/shards/shard_format.h"

namespace sdlora::data {
namespace {

constexpr int kHighestRank = 4;

struct RootListing {
  std::set<std::string> datasets;
  std::string problem;
};

herr_t list_link(hid_t group, const char* name, const H5L_info_t* link, void* result) {
  auto& listing = *static_cast<RootListing*>(result);
  H5O_info_t object;
  if (link->type != H5L_TYPE_HARD)
    listing.problem = fmt::format("the link {}", name);
  else if (H5Oget_info_by_name2(group, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
    return -1;
  else if (object.type != H5O_TYPE_DATASET)
    listing.problem = fmt::format("{}, which is not a dataset", name);
  else
    listing.datasets.insert(name);
  return listing.problem.empty() ? 0 : 1;
}

// Uncompressed chunks with a Fletcher32 checksum, in this file.
void check_storage(hid_t dataset, const Hdf5Place& place) {
  const Hdf5Handle creation{place.check(H5Dget_create_plist(dataset), "read how it is stored"), H5Pclose};
  if (H5Pget_layout(creation.id()) != H5D_CHUNKED) place.fail("chunked storage", "another kind of storage");
  if (H5Pget_external_count(creation.id()) != 0) place.fail("data in the file itself", "an external file");
  unsigned flags = 0;
  unsigned config = 0;
  size_t value_count = 0;
  if (H5Pget_nfilters(creation.id()) != 1 || H5Pget_filter2(creation.id(), 0, &flags, &value_count, nullptr,
                                                            0, nullptr, &config) != H5Z_FILTER_FLETCHER32)
    place.fail("the Fletcher32 checksum and no other filter", "other filters");
}

// As shard_format.h has it. HDF5 takes memory for a whole chunk, however little of it the column fills, and
// reads beyond one whose shape does not suit the column's.
void check_chunks(hid_t dataset, const std::vector<hsize_t>& dims, const Hdf5Place& place) {
  const Hdf5Handle creation{place.check(H5Dget_create_plist(dataset), "read how it is stored"), H5Pclose};
  std::vector<hsize_t> chunk(dims.size());
  const int rank = static_cast<int>(dims.size());
  const bool has_rank = H5Pget_chunk(creation.id(), rank, chunk.data()) == rank;
  if (!has_rank || (chunk[0] != 1 && chunk[0] != dims[0]) ||
      !std::equal(dims.begin() + 1, dims.end(), chunk.begin() + 1))
    place.fail(fmt::format("a chunk for each row, or one for all, of [{}]", fmt::join(dims, ", ")),
               fmt::format("chunks of [{}]", fmt::join(chunk, ", ")));
}

}  // namespace

Hdf5Columns::Hdf5Columns(const std::filesystem::path& file, const std::set<std::string>& required,
                         const std::set<std::string>& optional_names, int64_t newest_version)
    : place_{ExitCode::kBadData, file.string()}, file_(open_hdf5_file(file)) {
  hsize_t file_bytes = 0;
  place_.check(H5Fget_filesize(file_.id(), &file_bytes), "measure the file");
  file_bytes_ = file_bytes;
  format_version_ = read_integer_attribute(file_.id(), "format_version", place_);
  if (format_version_ < kPlainFormatVersion || format_version_ > newest_version)
    place_.fail(newest_version == kPlainFormatVersion ? "format version 1"
                                                      : fmt::format("format version 1 … {}", newest_version),
                fmt::format("format version {}", format_version_));

  RootListing listing;
  place_.check(H5Literate(file_.id(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, list_link, &listing),
               "list the file");
  if (!listing.problem.empty()) place_.fail("datasets only", listing.problem);
  names_ = std::move(listing.datasets);
  for (const std::string& name : required)
    if (!names_.contains(name)) place_.fail("the dataset " + name, "none of that name");
  for (const std::string& name : names_)
    if (!required.contains(name) && !optional_names.contains(name))
      place_.fail("only the datasets of the format", "a dataset " + name);
}

Hdf5Column Hdf5Columns::open(const std::string& name, int rank, H5T_class_t type_class) const {
  const Hdf5Place place = place_.in(name);
  Hdf5Column column;
  column.dataset = {place.check(H5Dopen2(file_.id(), name.c_str(), H5P_DEFAULT), "open the dataset"),
                    H5Dclose};
  column.type = {place.check(H5Dget_type(column.dataset.id()), "read the type"), H5Tclose};
  column.space = {place.check(H5Dget_space(column.dataset.id()), "read the shape"), H5Sclose};
  check_storage(column.dataset.id(), place);
  const int seen_rank = H5Sget_simple_extent_ndims(column.space.id());
  if (seen_rank != rank || rank > kHighestRank)
    place.fail(fmt::format("{} dimensions", rank), fmt::format("{}", seen_rank));
  column.dims.resize(static_cast<size_t>(rank));
  place.check(H5Sget_simple_extent_dims(column.space.id(), column.dims.data(), nullptr), "read the shape");
  if (H5Tget_class(column.type.id()) != type_class || H5Tis_variable_str(column.type.id()) > 0)
    place.fail("the type of the format", "another type");
  // Nothing is compressed, so what a column holds must fit in the file.
  uint64_t bytes = H5Tget_size(column.type.id());
  for (const hsize_t dim : column.dims) {
    if (dim == 0 || __builtin_mul_overflow(bytes, dim, &bytes) || bytes > file_bytes_)
      place.fail(fmt::format("a shape that fits in the file's {} bytes", file_bytes_),
                 fmt::format("[{}]", fmt::join(column.dims, ", ")));
  }
  check_chunks(column.dataset.id(), column.dims, place);
  return column;
}

std::vector<int64_t> Hdf5Columns::shape(const std::string& name, int rank) const {
  const Hdf5Column column = open(name, rank, H5T_FLOAT);
  return {column.dims.begin(), column.dims.end()};
}

at::Tensor Hdf5Columns::read_floats(const std::string& name, int rank) const {
  const Hdf5Column column = open(name, rank, H5T_FLOAT);
  const std::vector<int64_t> sizes(column.dims.begin(), column.dims.end());
  if (H5Tget_size(column.type.id()) != sizeof(float)) place_.in(name).fail("32-bit floats", "another width");
  at::Tensor values = at::empty(sizes, at::kFloat);
  place_.in(name).check(H5Dread(column.dataset.id(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                values.mutable_data_ptr<float>()),
                        "read the dataset");
  return values;
}

Hdf5Rows Hdf5Columns::rows(const std::string& name, int rank) const {
  return {open(name, rank, H5T_FLOAT), place_.in(name)};
}

Hdf5Rows::Hdf5Rows(Hdf5Column column, Hdf5Place place)
    : column_(std::move(column)), place_(std::move(place)) {}

void Hdf5Rows::require_row(int64_t row) const {
  if (row < 0 || static_cast<hsize_t>(row) >= column_.dims[0])
    place_.fail(fmt::format("a row {}", row), "fewer rows");
}

void Hdf5Rows::require_plain() const {
  if (H5Tequal(column_.type.id(), H5T_NATIVE_FLOAT) <= 0)
    place_.fail("32-bit floats", "numbers of another kind");
  const Hdf5Handle creation{place_.check(H5Dget_create_plist(column_.dataset.id()), "read how it is stored"),
                            H5Pclose};
  std::vector<hsize_t> chunk(column_.dims.size());
  place_.check(H5Pget_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data()), "read its chunks");
  if (chunk[0] != 1) place_.fail("a chunk for each row", fmt::format("chunks of {} rows", chunk[0]));
}

at::Tensor Hdf5Rows::read_unchecked(int64_t row) const {
  require_row(row);
  const std::vector<int64_t> sizes(column_.dims.begin() + 1, column_.dims.end());
  const int64_t count = c10::multiply_integers(sizes);
  std::vector<hsize_t> start(column_.dims.size(), 0);
  start[0] = static_cast<hsize_t>(row);
  hsize_t stored_bytes = 0;
  place_.check(H5Dget_chunk_storage_size(column_.dataset.id(), start.data(), &stored_bytes), "find a row");
  at::Tensor stored = at::empty({count + 1}, at::kFloat);  // and the checksum
  if (stored_bytes != stored.nbytes())
    place_.fail(fmt::format("a chunk of {} bytes", stored.nbytes()), fmt::format("{}", stored_bytes));
  uint32_t skipped_filters = 0;
  place_.check(H5Dread_chunk(column_.dataset.id(), H5P_DEFAULT, start.data(), &skipped_filters,
                             stored.mutable_data_ptr<float>()),
               "read a row");
  if (skipped_filters != 0) place_.fail("a row with its checksum", "one without");
  return stored.narrow(0, 0, count).view(sizes);
}

at::Tensor Hdf5Rows::read(int64_t row) const {
  require_row(row);
  const std::vector<hsize_t>& dims = column_.dims;
  std::vector<hsize_t> start(dims.size(), 0);
  start[0] = static_cast<hsize_t>(row);
  std::vector<hsize_t> count = dims;
  count[0] = 1;
  place_.check(
      H5Sselect_hyperslab(column_.space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr),
      "select a row");
  const Hdf5Handle memory{
      place_.check(H5Screate_simple(static_cast<int>(dims.size()), count.data(), nullptr), "make a shape"),
      H5Sclose};
  at::Tensor values = at::empty(std::vector<int64_t>(dims.begin() + 1, dims.end()), at::kFloat);
  place_.check(H5Dread(column_.dataset.id(), H5T_NATIVE_FLOAT, memory.id(), column_.space.id(), H5P_DEFAULT,
                       values.mutable_data_ptr<float>()),
               "read a row");
  return values;
}

std::vector<int64_t> Hdf5Columns::read_integers(const std::string& name) const {
  const Hdf5Column column = open(name, 1, H5T_INTEGER);
  if (H5Tget_size(column.type.id()) != sizeof(int64_t))
    place_.in(name).fail("64-bit integers", "another width");
  std::vector<int64_t> values(column.dims[0]);
  place_.in(name).check(
      H5Dread(column.dataset.id(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
      "read the dataset");
  return values;
}

std::vector<std::string> Hdf5Columns::read_strings(const std::string& name) const {
  const Hdf5Place place = place_.in(name);
  const Hdf5Column column = open(name, 1, H5T_STRING);
  const size_t bytes = H5Tget_size(column.type.id());
  std::string padded(bytes * column.dims[0], '\0');
  const Hdf5Handle type = fixed_string_type(bytes, place);
  place.check(H5Dread(column.dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, padded.data()),
              "read the dataset");
  std::vector<std::string> values;
  values.reserve(column.dims[0]);
  for (size_t row = 0; row < column.dims[0]; ++row) {
    const std::string value = padded.substr(row * bytes, bytes);
    values.push_back(value.substr(0, value.find_last_not_of('\0') + 1));
  }
  return values;
}

}  // namespace sdlora::data
