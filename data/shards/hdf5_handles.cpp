#include "data/shards/hdf5_handles.h"

namespace sdlora::data {
namespace {

constexpr size_t kLongestStringAttributeBytes = 4096;

herr_t keep_innermost(unsigned /*depth*/, const H5E_error2_t* error, void* reason) {
  if (error->desc != nullptr) *static_cast<std::string*>(reason) = error->desc;
  return 1;  // the first one walked is the innermost: stop
}

std::string take_error_reason() {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &reason);
  H5Eclear2(H5E_DEFAULT);
  return reason.empty() ? "HDF5 gives no reason" : "HDF5: " + reason;
}

struct OpenAttribute {
  Hdf5Handle attribute;
  Hdf5Handle type;
};

// A single value of class `wanted`; anything else is refused before it is read.
OpenAttribute open_attribute(hid_t file, const char* name, H5T_class_t wanted, const Hdf5Place& place) {
  OpenAttribute open;
  open.attribute = {place.check(H5Aopen(file, name, H5P_DEFAULT), "open the attribute"), H5Aclose};
  const Hdf5Handle space{place.check(H5Aget_space(open.attribute.id()), "read the shape"), H5Sclose};
  open.type = {place.check(H5Aget_type(open.attribute.id()), "read the type"), H5Tclose};
  if (H5Sget_simple_extent_type(space.id()) != H5S_SCALAR) place.fail("a single value", "an array");
  if (H5Tget_class(open.type.id()) != wanted) place.fail("the type of the format", "another type");
  return open;
}

void write_attribute(hid_t file, const char* name, hid_t type, const void* value, const Hdf5Place& place) {
  const Hdf5Handle space{place.check(H5Screate(H5S_SCALAR), "make a shape"), H5Sclose};
  const Hdf5Handle attribute{
      place.check(H5Acreate2(file, name, type, space.id(), H5P_DEFAULT, H5P_DEFAULT), "create the attribute"),
      H5Aclose};
  place.check(H5Awrite(attribute.id(), type, value), "write the attribute");
}

}  // namespace

int64_t Hdf5Place::check(int64_t status, const std::string& action) const {
  if (status >= 0) return status;
  const bool reading = exit_code == ExitCode::kBadData;
  throw Error(exit_code, {.what = "cannot " + action,
                          .seen = take_error_reason(),
                          .where = object.empty() ? file : file + ", " + object,
                          .advice = reading ? "run cache_latents again: it rebuilds what is damaged"
                                            : "check the free space and the folder's permissions"});
}

void Hdf5Place::fail(const std::string& expected, const std::string& seen) const {
  throw Error(ExitCode::kBadData, {.what = "this is not a file of a cache, or it is damaged",
                                   .expected = expected,
                                   .seen = seen,
                                   .where = object.empty() ? file : file + ", " + object,
                                   .advice = "run cache_latents again: it rebuilds what is damaged"});
}

void quieten_hdf5() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLset_loading_state(0);
}

Hdf5Handle open_hdf5_file(const std::filesystem::path& file) {
  quieten_hdf5();
  const Hdf5Place place{ExitCode::kBadData, file.string()};
  const Hdf5Handle access{place.check(H5Pcreate(H5P_FILE_ACCESS), "prepare to open the file"), H5Pclose};
  place.check(H5Pset_file_locking(access.id(), false, true), "turn off file locks");
  place.check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), "prepare to open the file");
  return {place.check(H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.id()), "open the HDF5 file"), H5Fclose};
}

int64_t read_integer_attribute(hid_t file, const char* name, const Hdf5Place& place) {
  const Hdf5Place here = place.in(name);
  const OpenAttribute open = open_attribute(file, name, H5T_INTEGER, here);
  int64_t value = 0;
  here.check(H5Aread(open.attribute.id(), H5T_NATIVE_INT64, &value), "read the attribute");
  return value;
}

double read_float_attribute(hid_t file, const char* name, const Hdf5Place& place) {
  const Hdf5Place here = place.in(name);
  const OpenAttribute open = open_attribute(file, name, H5T_FLOAT, here);
  double value = 0;
  here.check(H5Aread(open.attribute.id(), H5T_NATIVE_DOUBLE, &value), "read the attribute");
  return value;
}

std::string read_string_attribute(hid_t file, const char* name, const Hdf5Place& place) {
  const Hdf5Place here = place.in(name);
  const OpenAttribute open = open_attribute(file, name, H5T_STRING, here);
  const size_t bytes = H5Tget_size(open.type.id());
  if (H5Tis_variable_str(open.type.id()) != 0 || bytes == 0 || bytes > kLongestStringAttributeBytes)
    here.fail("a string of fixed length", "a string of variable length, or too long a one");
  std::string value(bytes, '\0');
  const Hdf5Handle type = fixed_string_type(bytes, here);
  here.check(H5Aread(open.attribute.id(), type.id(), value.data()), "read the attribute");
  return value.substr(0, value.find_last_not_of('\0') + 1);
}

void write_integer_attribute(hid_t file, const char* name, int64_t value, const Hdf5Place& place) {
  write_attribute(file, name, H5T_STD_I64LE, &value, place.in(name));
}

void write_float_attribute(hid_t file, const char* name, double value, const Hdf5Place& place) {
  write_attribute(file, name, H5T_IEEE_F64LE, &value, place.in(name));
}

void write_string_attribute(hid_t file, const char* name, const std::string& value, const Hdf5Place& place) {
  const Hdf5Handle type = fixed_string_type(value.size(), place.in(name));
  write_attribute(file, name, type.id(), value.data(), place.in(name));
}

Hdf5Handle fixed_string_type(size_t bytes, const Hdf5Place& place) {
  Hdf5Handle type{place.check(H5Tcopy(H5T_C_S1), "make a string type"), H5Tclose};
  place.check(H5Tset_size(type.id(), bytes == 0 ? 1 : bytes), "make a string type");
  place.check(H5Tset_strpad(type.id(), H5T_STR_NULLPAD), "make a string type");
  place.check(H5Tset_cset(type.id(), H5T_CSET_UTF8), "make a string type");
  return type;
}

}  // namespace sdlora::data
