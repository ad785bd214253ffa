// Reads the columns of an opened cache file. Everything is checked against the format before memory is
// allocated: which objects there are, how they are stored, their types, and that no column claims more bytes
// than the file has.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>

#include <ATen/core/Tensor.h>

#include "data/shards/hdf5_handles.h"

namespace sdlora::data {

// An opened column.
struct Hdf5Column {
  Hdf5Handle dataset;
  Hdf5Handle type;
  Hdf5Handle space;
  std::vector<hsize_t> dims;
};

class Hdf5Rows {
 public:
  Hdf5Rows(Hdf5Column column, Hdf5Place place);

  // [N, …]
  std::vector<int64_t> shape() const { return {column_.dims.begin(), column_.dims.end()}; }

  // Without the first dimension, f32. Throws Error(kBadData).
  at::Tensor read(int64_t row) const;

  // The same without its checksum, which takes longer than the reading: for who knows one of his own. Of a
  // column that passed require_plain().
  at::Tensor read_unchecked(int64_t row) const;

  // Throws Error(kBadData) unless each row is a chunk of 32-bit floats of this machine's byte order.
  void require_plain() const;

 private:
  void require_row(int64_t row) const;

  Hdf5Column column_;
  Hdf5Place place_;
};

class Hdf5Columns {
 public:
  // Opens `file` and checks the root group: hard-linked datasets only, all of `required` and nothing but
  // those and `optional_names`, and that the format version is 1 … newest_version. Throws Error(kBadData).
  Hdf5Columns(const std::filesystem::path& file, const std::set<std::string>& required,
              const std::set<std::string>& optional_names, int64_t newest_version);

  int64_t format_version() const { return format_version_; }

  bool has(const std::string& name) const { return names_.contains(name); }

  hid_t file_id() const { return file_.id(); }

  const Hdf5Place& place() const { return place_; }

  // The dimensions of a column of rank `rank`.
  std::vector<int64_t> shape(const std::string& name, int rank) const;

  // All rows, f32.
  at::Tensor read_floats(const std::string& name, int rank) const;

  // Row `row` without its first dimension, f32.
  at::Tensor read_float_row(const std::string& name, int rank, int64_t row) const {
    return rows(name, rank).read(row);
  }

  // To read many rows of a column; this must outlive them.
  Hdf5Rows rows(const std::string& name, int rank) const;

  std::vector<int64_t> read_integers(const std::string& name) const;
  std::vector<std::string> read_strings(const std::string& name) const;

 private:
  Hdf5Column open(const std::string& name, int rank, H5T_class_t type_class) const;

  Hdf5Place place_;
  Hdf5Handle file_;
  uint64_t file_bytes_;
  int64_t format_version_;
  std::set<std::string> names_;
};

}  // namespace sdlora::data
