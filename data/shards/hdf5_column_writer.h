// Writes the columns of a cache file, as hdf5_columns.h reads them. All functions throw Error(kIo).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/shards/hdf5_handles.h"

namespace sdlora::data {

// rows [N, …] f32, one chunk per row
void write_float_rows(hid_t file, const char* name, const at::Tensor& rows, const Hdf5Place& place);

// The same, row by row: of `shape` [N, …], row_of(n) is [1, …] or […] without the first dimension.
void write_float_rows(hid_t file, const char* name, const std::vector<int64_t>& shape,
                      const std::function<at::Tensor(int64_t row)>& row_of, const Hdf5Place& place);

void write_integers(hid_t file, const char* name, const std::vector<int64_t>& values, const Hdf5Place& place);

void write_strings(hid_t file, const char* name, const std::vector<std::string>& values,
                   const Hdf5Place& place);

}  // namespace sdlora::data
