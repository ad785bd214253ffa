#include "data/shards/hdf5_output.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "common/posix_file.h"

namespace sdlora::data {
namespace {

constexpr uint64_t kUnsyncedBytes = uint64_t{64} << 20;  // a flush of all at the end would take long

// Where a file's bytes go. After the first failure nothing more is written, and HDF5 hears of none: a file
// that it cannot flush it cannot close either, and the program crashes when it ends.
class Output {
 public:
  explicit Output(PosixFile& file) : file_(file) {}

  void write(uint64_t begin_byte, const void* bytes, size_t count) {
    keep_failure([&] {
      file_.write_at(begin_byte, bytes, count);
      byte_count_ = std::max(byte_count_, begin_byte + count);
      unsynced_bytes_ += count;
      if (unsynced_bytes_ < kUnsyncedBytes) return;
      file_.sync();
      unsynced_bytes_ = 0;
    });
  }

  // Zeros, where nothing was written.
  void read(uint64_t begin_byte, void* bytes, size_t count) {
    std::memset(bytes, 0, count);
    keep_failure([&] {
      if (begin_byte < byte_count_)
        file_.read_at(begin_byte, bytes, std::min<uint64_t>(count, byte_count_ - begin_byte));
    });
  }

  uint64_t byte_count() const { return byte_count_; }

  bool has_failed() const { return failure_ != nullptr; }

  void throw_failure() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  // Nothing may be thrown through HDF5.
  template <typename Work>
  void keep_failure(const Work& work) noexcept {
    try {
      if (!failure_) work();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  PosixFile& file_;
  uint64_t byte_count_ = 0;
  uint64_t unsynced_bytes_ = 0;
  std::exception_ptr failure_;
};

// HDF5's view of it: a virtual file driver (H5FD_class_t), the plain part first.
struct OpenOutput {
  H5FD_t plain;
  Output* output;
  haddr_t allocated_end;
};

struct DriverInfo {
  Output* output;
};

OpenOutput& as_output(H5FD_t* file) {
  return *reinterpret_cast<OpenOutput*>(file);
}

const OpenOutput& as_output(const H5FD_t* file) {
  return *reinterpret_cast<const OpenOutput*>(file);
}

H5FD_t* open_output(const char* /*name*/, unsigned /*flags*/, hid_t access, haddr_t /*most*/) {
  const auto* info = static_cast<const DriverInfo*>(H5Pget_driver_info(access));
  if (info == nullptr) return nullptr;
  return &(new OpenOutput{.plain = {}, .output = info->output, .allocated_end = 0})->plain;
}

herr_t close_output(H5FD_t* file) {
  delete &as_output(file);
  return 0;
}

// As HDF5's own drivers do, so that a file is laid out as theirs.
herr_t say_features(const H5FD_t* /*file*/, unsigned long* features) {
  *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
              H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

haddr_t allocated_end(const H5FD_t* file, H5FD_mem_t /*kind*/) {
  return as_output(file).allocated_end;
}

herr_t set_allocated_end(H5FD_t* file, H5FD_mem_t /*kind*/, haddr_t end) {
  as_output(file).allocated_end = end;
  return 0;
}

haddr_t written_end(const H5FD_t* file, H5FD_mem_t /*kind*/) {
  return as_output(file).output->byte_count();
}

herr_t read_output(H5FD_t* file, H5FD_mem_t /*kind*/, hid_t /*transfer*/, haddr_t begin, size_t count,
                   void* bytes) {
  as_output(file).output->read(begin, bytes, count);
  return 0;
}

herr_t write_output(H5FD_t* file, H5FD_mem_t /*kind*/, hid_t /*transfer*/, haddr_t begin, size_t count,
                    const void* bytes) {
  as_output(file).output->write(begin, bytes, count);
  return 0;
}

// HDF5 1.14 wants a version and a number, of which those below 512 are the library's own; 1.10 has neither.
template <typename Driver>
void name_version(Driver& described) {
  if constexpr (requires { described.version, described.value; }) {
    described.version = 1;  // H5FD_CLASS_VERSION
    described.value = static_cast<decltype(described.value)>(512);
  }
}

H5FD_class_t driver() {
  constexpr H5FD_mem_t kOneListForData[] = H5FD_FLMAP_DICHOTOMY;
  H5FD_class_t described{};
  name_version(described);
  described.name = "sdlora_output";
  described.maxaddr = static_cast<haddr_t>(INT64_MAX);
  described.fc_degree = H5F_CLOSE_STRONG;
  described.fapl_size = sizeof(DriverInfo);
  described.open = open_output;
  described.close = close_output;
  described.query = say_features;
  described.get_eoa = allocated_end;
  described.set_eoa = set_allocated_end;
  described.get_eof = written_end;
  described.read = read_output;
  described.write = write_output;
  std::copy(std::begin(kOneListForData), std::end(kOneListForData), std::begin(described.fl_map));
  return described;
}

void fill_output(Output& output, const Hdf5Place& place, const FillFile& fill) {
  const H5FD_class_t description = driver();
  const DriverInfo info{&output};
  const Hdf5Handle registered{place.check(H5FDregister(&description), "prepare a file"), H5FDunregister};
  const Hdf5Handle access{place.check(H5Pcreate(H5P_FILE_ACCESS), "prepare a file"), H5Pclose};
  place.check(H5Pset_driver(access.id(), registered.id(), &info), "prepare a file");
  place.check(H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG), "prepare a file");
  const Hdf5Handle file{
      place.check(H5Fcreate(place.file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), "create the file"),
      H5Fclose};
  fill(file.id(), [&] { output.throw_failure(); });
  place.check(H5Fflush(file.id(), H5F_SCOPE_GLOBAL), "flush the file");
}

}  // namespace

void write_hdf5_file(const std::filesystem::path& output, const Hdf5Place& place, const FillFile& fill) {
  quieten_hdf5();
  PosixFile file = PosixFile::create(output);
  Output written(file);
  try {
    fill_output(written, place, fill);
  } catch (const Error&) {
    if (!written.has_failed()) throw;
  }
  written.throw_failure();  // said better than by HDF5
  file.close();
}

}  // namespace sdlora::data
