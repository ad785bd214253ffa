// HDF5's C API with owned handles, and its error stack turned into our messages. Files are opened with
// everything switched off that a cache does not need: plugins, external files, links, virtual and
// variable-length data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <hdf5.h>

#include "common/error.h"

namespace sdlora::data {

// An HDF5 identifier and the function that closes it.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Hdf5Handle() = default;

  Hdf5Handle(hid_t id, Close close) : id_(id), close_(close) {}

  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}

  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }

  ~Hdf5Handle() {
    if (id_ >= 0) close_(id_);
  }

  hid_t id() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

// What a call worked on, for the message when it fails.
struct Hdf5Place {
  ExitCode exit_code;  // kIo for writers, kBadData for readers
  std::string file;
  std::string object = {};  // dataset or attribute

  // Returns `status` (an id or a herr_t) when it is not negative, else throws Error with HDF5's innermost
  // reason.
  int64_t check(int64_t status, const std::string& action) const;

  // Throws Error for content that is not what the format says.
  [[noreturn]] void fail(const std::string& expected, const std::string& seen) const;

  Hdf5Place in(const std::string& object_name) const { return {exit_code, file, object_name}; }
};

// Turns off HDF5's printing to standard error and its plugin loader. Cheap; called by everything that opens
// or creates.
void quieten_hdf5();

// Opens `file` read-only and without file locks, which network file systems refuse. Throws Error(kBadData).
Hdf5Handle open_hdf5_file(const std::filesystem::path& file);

int64_t read_integer_attribute(hid_t file, const char* name, const Hdf5Place& place);
double read_float_attribute(hid_t file, const char* name, const Hdf5Place& place);
std::string read_string_attribute(hid_t file, const char* name, const Hdf5Place& place);

void write_integer_attribute(hid_t file, const char* name, int64_t value, const Hdf5Place& place);
void write_float_attribute(hid_t file, const char* name, double value, const Hdf5Place& place);
void write_string_attribute(hid_t file, const char* name, const std::string& value, const Hdf5Place& place);

// A UTF-8 string type of fixed length, padded with NUL.
Hdf5Handle fixed_string_type(size_t bytes, const Hdf5Place& place);

}  // namespace sdlora::data
