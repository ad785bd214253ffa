#include "data/shards/hdf5_column_writer.h"

#include <algorithm>
#include <cstring>

#include <ATen/ATen.h>

namespace sdlora::data {
namespace {

Hdf5Handle create_column(hid_t file, const char* name, hid_t type, const std::vector<hsize_t>& shape,
                         const std::vector<hsize_t>& chunk, const Hdf5Place& place) {
  const int rank = static_cast<int>(shape.size());
  const Hdf5Handle space{place.check(H5Screate_simple(rank, shape.data(), nullptr), "make a shape"),
                         H5Sclose};
  const Hdf5Handle creation{place.check(H5Pcreate(H5P_DATASET_CREATE), "prepare a dataset"), H5Pclose};
  place.check(H5Pset_chunk(creation.id(), rank, chunk.data()), "set the chunks");
  place.check(H5Pset_fletcher32(creation.id()), "set the checksum");
  place.check(H5Pset_obj_track_times(creation.id(), false), "leave out times");
  return {place.check(H5Dcreate2(file, name, type, space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
                      "create the dataset"),
          H5Dclose};
}

// As one chunk.
void write_column(hid_t file, const char* name, hid_t type, hsize_t count, const void* data,
                  const Hdf5Place& place) {
  const Hdf5Handle column = create_column(file, name, type, {count}, {count}, place);
  place.check(H5Dwrite(column.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), "write the dataset");
}

}  // namespace

void write_float_rows(hid_t file, const char* name, const at::Tensor& rows, const Hdf5Place& place) {
  write_float_rows(
      file, name, rows.sizes().vec(), [&](int64_t row) { return rows[row]; }, place);
}

void write_float_rows(hid_t file, const char* name, const std::vector<int64_t>& shape,
                      const std::function<at::Tensor(int64_t row)>& row_of, const Hdf5Place& file_place) {
  const Hdf5Place place = file_place.in(name);
  const std::vector<hsize_t> all(shape.begin(), shape.end());
  std::vector<hsize_t> one = all;
  one[0] = 1;
  const Hdf5Handle column = create_column(file, name, H5T_IEEE_F32LE, all, one, place);
  const int rank = static_cast<int>(all.size());
  const Hdf5Handle memory{place.check(H5Screate_simple(rank, one.data(), nullptr), "make a shape"), H5Sclose};
  const Hdf5Handle space{place.check(H5Dget_space(column.id()), "read the shape"), H5Sclose};
  std::vector<hsize_t> start(all.size(), 0);
  for (int64_t row = 0; row < shape[0]; ++row) {
    const at::Tensor values = row_of(row).to(at::kCPU, at::kFloat).contiguous();
    start[0] = static_cast<hsize_t>(row);
    place.check(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, one.data(), nullptr),
                "select a row");
    place.check(H5Dwrite(column.id(), H5T_IEEE_F32LE, memory.id(), space.id(), H5P_DEFAULT,
                         values.const_data_ptr<float>()),
                "write a row");
  }
}

void write_integers(hid_t file, const char* name, const std::vector<int64_t>& values,
                    const Hdf5Place& place) {
  write_column(file, name, H5T_STD_I64LE, values.size(), values.data(), place.in(name));
}

void write_strings(hid_t file, const char* name, const std::vector<std::string>& values,
                   const Hdf5Place& place) {
  size_t longest_bytes = 1;
  for (const std::string& value : values) longest_bytes = std::max(longest_bytes, value.size());
  std::string padded(longest_bytes * values.size(), '\0');
  for (size_t row = 0; row < values.size(); ++row)
    std::memcpy(&padded[row * longest_bytes], values[row].data(), values[row].size());
  const Hdf5Handle type = fixed_string_type(longest_bytes, place.in(name));
  write_column(file, name, type.id(), values.size(), padded.data(), place.in(name));
}

}  // namespace sdlora::data
