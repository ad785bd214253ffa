// Files that HDF5 opens gladly and a cache must refuse, each before its data is read.
#include "data/shards/hdf5_columns.h"

#include <functional>

#include <gmock/gmock.h>

#include "common/error.h"
#include "data/shards/shard_format.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::HasSubstr;

constexpr hsize_t kRows = 4;
const Hdf5Place kPlace{ExitCode::kIo, "test"};

struct HostileFile {
  hid_t type = H5T_IEEE_F32LE;
  std::vector<hsize_t> shape = {kRows, 4};
  int64_t version = kFormatVersion;
  bool is_chunked = true;
  bool has_checksum = true;
  bool can_grow = false;
  std::function<void(hid_t creation)> change_storage = [](hid_t) {};
  std::function<void(hid_t file)> add = [](hid_t) {};
};

Hdf5Handle create(const std::filesystem::path& path) {
  return {H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose};
}

// A file with a dataset "values" of which nothing is written.
void write(const std::filesystem::path& path, const HostileFile& content) {
  quieten_hdf5();
  const Hdf5Handle file = create(path);
  write_integer_attribute(file.id(), "format_version", content.version, kPlace);
  const int rank = static_cast<int>(content.shape.size());
  const std::vector<hsize_t> most =
      content.can_grow ? std::vector<hsize_t>(content.shape.size(), H5S_UNLIMITED) : content.shape;
  const Hdf5Handle space{H5Screate_simple(rank, content.shape.data(), most.data()), H5Sclose};
  const Hdf5Handle creation{H5Pcreate(H5P_DATASET_CREATE), H5Pclose};
  std::vector<hsize_t> chunk = content.shape;
  chunk[0] = 1;
  if (content.is_chunked) H5Pset_chunk(creation.id(), rank, chunk.data());
  if (content.has_checksum) H5Pset_fletcher32(creation.id());
  content.change_storage(creation.id());
  const Hdf5Handle dataset{
      H5Dcreate2(file.id(), "values", content.type, space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
      H5Dclose};
  ASSERT_GE(dataset.id(), 0);
  content.add(file.id());
}

std::string refusal_of_columns(const HostileFile& content, int rank = 2) {
  const TemporaryFolder folder;
  write(folder / "file.h5", content);
  try {
    Hdf5Columns(folder / "file.h5", {"values"}, {}, kFormatVersion).read_floats("values", rank);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
    EXPECT_THAT(error.what(), HasSubstr("file.h5"));
    return error.what();
  }
  return "";
}

TEST(Hdf5Columns, TakesWhatTheFormatSays) {
  EXPECT_EQ(refusal_of_columns({}), "");
}

TEST(Hdf5Columns, RefusesAShapeLargerThanTheFileBeforeItAllocates) {
  EXPECT_THAT(refusal_of_columns({.shape = {hsize_t{1} << 40, 4}}), HasSubstr("fits in the file"));
  EXPECT_THAT(refusal_of_columns({.shape = {hsize_t{1} << 62, 1 << 20}}),
              HasSubstr("fits in the file"));  // overflows 64 bits
}

TEST(Hdf5Columns, RefusesChunksThatAreNotTheFormats) {
  const auto one_chunk = [](hid_t creation) {
    const hsize_t chunk[] = {1, 1 << 20};
    H5Pset_chunk(creation, 2, chunk);
  };
  EXPECT_THAT(refusal_of_columns({.can_grow = true, .change_storage = one_chunk}),
              HasSubstr("a chunk for each row"));
}

TEST(Hdf5Columns, RefusesOtherRanksAndTypes) {
  EXPECT_THAT(refusal_of_columns({.shape = {kRows, 4, 1}}), HasSubstr("2 dimensions"));
  EXPECT_THAT(refusal_of_columns({.type = H5T_STD_I32LE}), HasSubstr("another type"));
  EXPECT_THAT(refusal_of_columns({.type = H5T_IEEE_F64LE}), HasSubstr("another width"));
}

TEST(Hdf5Columns, RefusesStringsOfVariableLength) {
  const TemporaryFolder folder;
  const Hdf5Handle type{H5Tcopy(H5T_C_S1), H5Tclose};
  H5Tset_size(type.id(), H5T_VARIABLE);
  write(folder / "file.h5", {.type = type.id(), .shape = {kRows}, .has_checksum = false});
  const Hdf5Columns columns(folder / "file.h5", {"values"}, {}, kFormatVersion);
  EXPECT_THROW(columns.read_strings("values"), Error);
}

TEST(Hdf5Columns, RefusesDataWithoutChecksumOrInOneBlock) {
  EXPECT_THAT(refusal_of_columns({.has_checksum = false}), HasSubstr("Fletcher32"));
  EXPECT_THAT(refusal_of_columns({.is_chunked = false, .has_checksum = false}), HasSubstr("chunked"));
}

TEST(Hdf5Columns, RefusesCompressionWhichCouldHideALargeSize) {
  EXPECT_THAT(refusal_of_columns({.change_storage = [](hid_t creation) { H5Pset_deflate(creation, 9); }}),
              HasSubstr("filter"));
}

TEST(Hdf5Columns, RefusesDataInAnExternalFile) {
  const auto outside = [](hid_t creation) { H5Pset_external(creation, "/etc/passwd", 0, kRows * 16); };
  EXPECT_NE(refusal_of_columns({.is_chunked = false, .has_checksum = false, .change_storage = outside}), "");
}

TEST(Hdf5Columns, RefusesLinksGroupsAndUnknownDatasets) {
  EXPECT_THAT(
      refusal_of_columns(
          {.add = [](hid_t file) { H5Lcreate_soft("/values", file, "more", H5P_DEFAULT, H5P_DEFAULT); }}),
      HasSubstr("link more"));
  EXPECT_THAT(refusal_of_columns({.add =
                                      [](hid_t file) {
                                        H5Lcreate_external("other.h5", "/values", file, "more", H5P_DEFAULT,
                                                           H5P_DEFAULT);
                                      }}),
              HasSubstr("link more"));
  EXPECT_THAT(refusal_of_columns({.add =
                                      [](hid_t file) {
                                        const Hdf5Handle group{
                                            H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                            H5Gclose};
                                      }}),
              HasSubstr("not a dataset"));
  EXPECT_THAT(
      refusal_of_columns(
          {.add =
               [](hid_t file) { H5Lcreate_hard(file, "values", file, "twice", H5P_DEFAULT, H5P_DEFAULT); }}),
      HasSubstr("a dataset twice"));
}

TEST(Hdf5Columns, RefusesAnotherFormatVersion) {
  EXPECT_THAT(refusal_of_columns({.version = kFormatVersion + 1}), HasSubstr("format version 1"));
}

TEST(Hdf5Columns, SaysWhatHdf5SaysAboutAFileThatIsNone) {
  const TemporaryFolder folder;
  write_bytes(folder / "file.h5", "not HDF5 at all");
  try {
    Hdf5Columns(folder / "file.h5", {}, {}, kFormatVersion);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("HDF5: "));
    EXPECT_THAT(error.what(), HasSubstr("file.h5"));
  }
}

}  // namespace
}  // namespace sdlora::data
