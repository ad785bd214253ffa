#include "data/shards/text_file.h"

#include <fstream>
#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "common/atomic_file.h"
#include "data/shards/shard_reader.h"
#include "data/shards/shard_writer.h"
#include "tests/data/example_cache.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class TextFileOnDisk : public testing::Test {
 protected:
  const TemporaryFolder folder_;
  const fs::path file_ = folder_ / "text.h5";
};

TEST_F(TextFileOnDisk, ReadsWhatWasWritten) {
  const TextContent written = example_text(4);
  write_text_file(file_, written);
  TextFile text(file_);
  text.check_rows();
  EXPECT_EQ(text.shape(), written.embedding.sizes().vec());
  for (int64_t row = 0; row < 4; ++row) {
    EXPECT_TRUE(at::equal(text.read_row(row), written.embedding[row]));
    EXPECT_TRUE(at::equal(text.read_checked_row(row), written.embedding[row]));
  }
  for (const int64_t row : {-1, 4}) {
    EXPECT_THROW(text.read_row(row), Error);
    EXPECT_ANY_THROW(text.read_checked_row(row));
  }
  EXPECT_EQ(text.content().caption, written.caption);
  EXPECT_EQ(text.content().text_encoder_sha256, written.text_encoder_sha256);
  EXPECT_EQ(text.content().tokenizer_sha256, written.tokenizer_sha256);
  EXPECT_EQ(text.content().inputs_sha256, written.inputs_sha256);
}

TEST_F(TextFileOnDisk, WrittenRowByRowHasTheSameBytes) {
  const TextContent whole = example_text(300);
  write_text_file(file_, whole);
  TextContent without = whole;
  without.embedding = at::Tensor();
  int64_t stops = 0;
  write_text_file(
      folder_ / "by-row.h5", without, [&](int64_t row) { return whole.embedding[row]; }, [&] { ++stops; });
  EXPECT_EQ(read_text(folder_ / "by-row.h5"), read_text(file_));
  EXPECT_GT(stops, 2 * 300) << "when a row is written, when it is read back, and when all is hashed";
}

TEST_F(TextFileOnDisk, LeavesTheOldFileWhereARowCannotBeMade) {
  write_text_file(file_, example_text(2));
  const std::string before = read_text(file_);
  const TextContent wanted = example_text(5);
  const auto row_of = [&](int64_t row) {
    if (row == 3) throw Error(ExitCode::kStopped, "stop");
    return wanted.embedding[row];
  };
  EXPECT_THROW(write_text_file(file_, wanted, row_of), Error);
  EXPECT_EQ(read_text(file_), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

TEST_F(TextFileOnDisk, ARowThatIsNotFiniteIsRefused) {
  TextContent text = example_text(3);
  text.embedding[2][1][1] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { write_text_file(file_, text); }),
              HasSubstr("infinity in row 2"));
}

TEST_F(TextFileOnDisk, SaysWhatAManifestSaysOfIt) {
  const ManifestFile written = write_text_file(file_, example_text(4));
  EXPECT_EQ(written, describe_file(file_, 4));
}

TEST_F(TextFileOnDisk, ARowThatChangesDuringTheRunIsNoticed) {
  write_text_file(file_, example_text(300));
  TextFile text(file_);
  text.check_rows();
  std::fstream in_place(file_, std::ios::in | std::ios::out | std::ios::binary);
  const auto end = static_cast<int64_t>(fs::file_size(file_));
  for (int64_t byte = end / 2; byte < end; byte += 1000) in_place.seekp(byte).put('x');
  in_place.close();
  try {
    text.read_checked_row(200);
    FAIL() << "it was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kIo) << error.what();
  }
}

// Those of before rows were written one at a time.
TEST_F(TextFileOnDisk, HasTheBytesThatItAlwaysHad) {
  EXPECT_EQ(write_text_file(file_, example_text(4)).sha256,
            "76a15053a71ef1f196316888f243d8c4275ef16c534cf9ef0ebc1c62729cf36d");
  write_shard(folder_ / "shard.h5", example_shard(0, 2, true));
  EXPECT_EQ(describe_file(folder_ / "shard.h5", 2).sha256,
            "9a1cc9663de7446b5d304434c6a2123f3ba11be90cedc47a9e4d7b91f854e167");
}

TEST_F(TextFileOnDisk, ADamagedRowIsFoundByItsChecksum) {
  write_text_file(file_, example_text(300));
  const auto bytes = static_cast<int64_t>(fs::file_size(file_));
  flip_bit(file_, bytes / 2);
  EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { TextFile(file_).check_rows(); }),
              HasSubstr("read a row"));
}

TEST_F(TextFileOnDisk, RowZeroMustBeTheEmptyCaption) {
  TextContent text = example_text(2);
  text.caption[0] = "something";
  EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { write_text_file(file_, text); }),
              HasSubstr("empty caption"));
}

TEST_F(TextFileOnDisk, IsNotAShardNorTheOtherWayRound) {
  write_text_file(file_, example_text(2));
  write_shard(folder_ / "shard.h5", example_shard(0, 2));
  EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { read_shard(file_); }),
              HasSubstr("expected: the dataset"));
  EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { const TextFile text(folder_ / "shard.h5"); }),
              HasSubstr("expected: the dataset"));
}

}  // namespace
}  // namespace sdlora::data
