#include "data/shards/hdf5_output.h"

#include <csignal>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "common/atomic_file.h"
#include "data/shards/hdf5_column_writer.h"
#include "data/shards/hdf5_columns.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::HasSubstr;

// Of files that this process writes, as if the disk were full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }

  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, SIG_DFL);
  }

 private:
  rlimit before_{};
};

class HdfFile : public testing::Test {
 protected:
  // 1,000 rows of 4 KB. Returns how many were asked for.
  int64_t write_rows() {
    int64_t asked = 0;
    write_hdf5_file(file_, place_, [&](hid_t id, const std::function<void()>& require_written) {
      write_integer_attribute(id, "format_version", 1, place_);
      const auto row_of = [&](int64_t row) {
        require_written();
        asked = row + 1;
        asked_ = asked;
        return at::full({1024}, static_cast<double>(row));
      };
      write_float_rows(id, "rows", {1000, 1024}, row_of, place_);
    });
    return asked;
  }

  const TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "file.h5";
  const Hdf5Place place_{ExitCode::kIo, file_.string()};
  int64_t asked_ = 0;
};

TEST_F(HdfFile, IsReadAsItWasWritten) {
  EXPECT_EQ(write_rows(), 1000);
  const Hdf5Columns columns(file_, {"rows"}, {}, 1);
  for (const int64_t row : {0, 500, 999})
    EXPECT_TRUE(
        at::equal(columns.read_float_row("rows", 2, row), at::full({1024}, static_cast<double>(row))));
}

TEST_F(HdfFile, OnAFullDiskIsAnErrorOfOurWriteAndNothingMoreIsMade) {
  const FileSizeLimit limit(1 << 20);
  try {
    write_rows();
    FAIL() << "it was written";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kIo);
    EXPECT_THAT(error.what(), HasSubstr("cannot write the file"));
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("HDF5")));
  }
  EXPECT_LT(asked_, 600) << "of 1000 rows, of which 255 fit, and HDF5 keeps as many before it writes";
}

TEST_F(HdfFile, WhoseEndCannotBeWrittenIsAnErrorToo) {
  write_rows();
  const auto whole = static_cast<rlim_t>(std::filesystem::file_size(file_));
  for (const rlim_t missing : {1, 600, 3000}) {
    const FileSizeLimit limit(whole - missing);
    EXPECT_THROW(write_rows(), Error) << missing;
  }
  write_rows();  // HDF5 is in order
  EXPECT_EQ(Hdf5Columns(file_, {"rows"}, {}, 1).shape("rows", 2), (std::vector<int64_t>{1000, 1024}));
}

TEST_F(HdfFile, WhoseContentCannotBeMadeThrowsThatOn) {
  const auto fill = [](hid_t, const std::function<void()>&) { throw Error(ExitCode::kStopped, "stop"); };
  try {
    write_hdf5_file(file_, place_, fill);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kStopped);
  }
}

}  // namespace
}  // namespace sdlora::data
