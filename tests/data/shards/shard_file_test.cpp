// shard_writer.h and shard_reader.h together: what was written is read, and nothing else is.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "common/atomic_file.h"
#include "common/error.h"
#include "data/images/folder_repeats.h"
#include "data/shards/hdf5_handles.h"
#include "data/shards/shard_reader.h"
#include "data/shards/shard_writer.h"
#include "data/shards/text_file.h"
#include "tests/data/example_cache.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::HasSubstr;

TEST(ShardFile, ReadsWhatWasWritten) {
  const TemporaryFolder folder;
  for (const bool flip : {false, true}) {
    const ShardContent written = example_shard(7, 3, flip);
    write_shard(folder / "shard.h5", written);
    const ShardContent read = read_shard(folder / "shard.h5");
    EXPECT_TRUE(at::equal(read.latents, written.latents));
    EXPECT_EQ(read.caption_index, written.caption_index);
    EXPECT_EQ(read.source, written.source);
    EXPECT_EQ(read.source_sha256, written.source_sha256);
    EXPECT_EQ(read.header.picture_size, square(64));
    EXPECT_EQ(read.header.vae_scaling_factor, 0.18215);
    EXPECT_EQ(read.header.vae_sha256, written.header.vae_sha256);
    EXPECT_EQ(read.header.inputs_sha256, written.header.inputs_sha256);
    EXPECT_TRUE(at::equal(ShardFile(folder / "shard.h5").read_latents_of(2), written.latents.select(1, 2)));
  }
}

TEST(ShardFile, OfABucketSaysHowPicturesCameToItAndHowOftenTheyAreRepeated) {
  const TemporaryFolder folder;
  const ShardContent written = example_bucket_shard(5, 2);
  write_shard(folder / "shard.h5", written);
  const ShardContent read = read_shard(folder / "shard.h5");
  EXPECT_EQ(read.header.picture_size, (PictureSize{.width = 128, .height = 64}));
  EXPECT_EQ(read.fit, written.fit);
  EXPECT_EQ(read.repeats, written.repeats);
  EXPECT_EQ(ShardFile(folder / "shard.h5").format_version(), 2);

  write_shard(folder / "plain.h5", example_shard(5, 2));
  EXPECT_EQ(ShardFile(folder / "plain.h5").format_version(), 1);
  EXPECT_TRUE(read_shard(folder / "plain.h5").fit.empty());
  EXPECT_TRUE(read_shard(folder / "plain.h5").repeats.empty());
}

TEST(ShardFile, RefusesImpossibleFitsAndRepeats) {
  const TemporaryFolder folder;
  const auto refusal_of = [&](const auto& change) {
    ShardContent shard = example_bucket_shard(5, 2);
    change(shard);
    return message_of_error(ExitCode::kBadData,
                            [&] { write_shard(folder / "shard.h5", shard); });  // it reads what it wrote
  };
  EXPECT_THAT(refusal_of([](ShardContent& shard) { shard.repeats[1] = 0; }), HasSubstr("repeats"));
  EXPECT_THAT(refusal_of([](ShardContent& shard) { shard.repeats[1] = kMostRepeats + 1; }),
              HasSubstr("repeats"));
  EXPECT_THAT(refusal_of([](ShardContent& shard) { shard.fit[0].resized.height = 63; }), HasSubstr("row 0"));
  EXPECT_THAT(refusal_of([](ShardContent& shard) { shard.fit[1].original.width = 0; }), HasSubstr("row 1"));
  EXPECT_THAT(refusal_of([](ShardContent& shard) { shard.fit[1].original.height = INT64_MAX; }),
              HasSubstr("row 1"));
  EXPECT_THAT(refusal_of([](ShardContent& shard) { shard.header.picture_size.width = 136; }),
              HasSubstr("136"));
}

TEST(ShardFile, NamesTheTypeThatModelsComputedIn) {
  const TemporaryFolder folder;
  for (const auto precision : {model::MixedPrecision::kNo, model::MixedPrecision::kBf16}) {
    ShardContent shard = example_shard(0, 3);
    shard.header.mixed_precision = precision;
    write_shard(folder / "shard.h5", shard);
    EXPECT_EQ(read_shard(folder / "shard.h5").header.mixed_precision, precision);
    TextContent text = example_text(3);
    text.mixed_precision = precision;
    write_text_file(folder / "text.h5", text);
    EXPECT_EQ(TextFile(folder / "text.h5").content().mixed_precision, precision);
  }
}

TEST(ShardFile, EqualContentGivesEqualBytesWheneverItIsWritten) {
  const TemporaryFolder folder;
  write_shard(folder / "one.h5", example_shard(0, 3));
  write_shard(folder / "three.h5", example_shard(0, 4));
  const std::vector<std::string> garbage(1000, std::string(5000, 'x'));  // other memory, and a later time
  write_shard(folder / "two.h5", example_shard(0, 3));
  EXPECT_EQ(read_text(folder / "one.h5"), read_text(folder / "two.h5"));
}

TEST(ShardFile, HoldsNoTimes) {
  const TemporaryFolder folder;
  write_shard(folder / "shard.h5", example_shard(0, 3));
  const Hdf5Handle file = open_hdf5_file(folder / "shard.h5");
  for (const char* name : {"/", "latent_mean", "source"}) {
    H5O_info_t info;
    ASSERT_GE(H5Oget_info_by_name2(file.id(), name, &info, H5O_INFO_TIME, H5P_DEFAULT), 0);
    EXPECT_EQ(info.mtime, 0) << name;
  }
}

TEST(ShardFile, TakesNamesOfAnyLength) {
  const TemporaryFolder folder;
  ShardContent shard = example_shard(0, 3);
  shard.source = {"a", std::string(4000, 'b'), "ä/漢字.png"};
  write_shard(folder / "shard.h5", shard);
  EXPECT_EQ(read_shard(folder / "shard.h5").source, shard.source);
}

// Whatever lies outside of the data is guarded by the manifest's SHA-256 (dataset_test.cpp).
TEST(ShardFile, AFlippedBitInTheLatentsIsFoundByTheirChecksum) {
  const TemporaryFolder folder;
  write_shard(folder / "shard.h5", example_shard(0, 3));
  const std::string good = read_text(folder / "shard.h5");
  const at::Tensor row = example_shard(0, 3).latents[1][2].contiguous();  // of latent_std
  const std::string_view row_bytes(static_cast<const char*>(row.const_data_ptr()), row.nbytes());
  const size_t begin = good.find(row_bytes);
  ASSERT_NE(begin, std::string::npos);
  for (size_t byte = begin; byte < begin + row_bytes.size(); byte += 101) {
    write_bytes(folder / "bad.h5", good);
    flip_bit(folder / "bad.h5", static_cast<int64_t>(byte));
    EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { read_shard(folder / "bad.h5"); }),
                HasSubstr("bad.h5, latent_std"));
  }
}

TEST(ShardFile, AFileCutOffAnywhereIsRefused) {
  const TemporaryFolder folder;
  write_shard(folder / "shard.h5", example_shard(0, 2));
  const std::string good = read_text(folder / "shard.h5");
  for (size_t bytes = 0; bytes < good.size(); bytes += 97) {
    write_bytes(folder / "bad.h5", good.substr(0, bytes));
    EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { read_shard(folder / "bad.h5"); }),
                HasSubstr("bad.h5"));
  }
}

TEST(ShardFile, LatentsThatAreNotFiniteAreNamedByRow) {
  const TemporaryFolder folder;
  ShardContent shard = example_shard(0, 3);
  shard.latents[1][2][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  const std::string message =
      message_of_error(ExitCode::kBadData, [&] { write_shard(folder / "shard.h5", shard); });
  EXPECT_THAT(message, HasSubstr("latent_std"));
  EXPECT_THAT(message, HasSubstr("row 2"));
  EXPECT_FALSE(std::filesystem::exists(folder / "shard.h5"));
}

TEST(ShardFile, NegativeDeviationsAreRefused) {
  const TemporaryFolder folder;
  ShardContent shard = example_shard(0, 3);
  shard.latents[1][0][0][0][0] = -1;
  EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { write_shard(folder / "shard.h5", shard); }),
              HasSubstr("a negative one"));
}

TEST(ShardFile, ColumnsOfUnequalLengthAreADefectOfTheCaller) {
  const TemporaryFolder folder;
  ShardContent shard = example_shard(0, 3);
  shard.caption_index.pop_back();
  EXPECT_THROW(write_shard(folder / "shard.h5", shard), Error);
}

TEST(ShardFile, FormatOneHasNoPlaceForARectangle) {
  const TemporaryFolder folder;
  ShardContent shard = example_shard(0, 3);
  shard.header.picture_size.height = 128;
  EXPECT_THROW(write_shard(folder / "shard.h5", shard), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "shard.h5"));
}

// The superblock's "file consistency flags": HDF5 sets them while a file is open for writing.
TEST(ShardFile, OnDiskIsNotMarkedAsBeingWritten) {
  const TemporaryFolder folder;
  write_shard(folder / "shard.h5", example_shard(0, 2));
  write_text_file(folder / "text.h5", example_text(3));
  for (const char* name : {"shard.h5", "text.h5"})
    EXPECT_EQ(bytes_of(folder / name).substr(20, 4), std::string(4, '\0')) << name;
}

}  // namespace
}  // namespace sdlora::data
