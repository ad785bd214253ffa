// HDF5 files whose bytes we write ourselves, at the place that HDF5 gives: a full disk then is an error of
// our own write, not of a library that cannot close its file, and no file is in memory as a whole.
#pragma once

#include <filesystem>
#include <functional>

#include "data/shards/hdf5_handles.h"

namespace sdlora::data {

// `require_written` throws Error(kIo) once a write has failed: for who would go on for long.
using FillFile = std::function<void(hid_t file, const std::function<void()>& require_written)>;

// Makes a file that `fill` fills, and closes it. Throws Error(kIo), and what `fill` throws; the file then is
// of no use.
void write_hdf5_file(const std::filesystem::path& output, const Hdf5Place& place, const FillFile& fill);

}  // namespace sdlora::data
