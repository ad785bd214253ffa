#include "data/shards/file_probe.h"

#include <gmock/gmock.h>

#include "data/shards/shard_writer.h"
#include "tests/data/example_cache.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

TEST(FileProbe, KnowsTheFilesOfACacheByTheirAttributes) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  for (const char* name : {"shard-00000.h5", "text.h5"}) EXPECT_EQ(cache_format_of(folder / name), 1) << name;
  write_bytes(folder / "mine.h5", "\x89HDF\r\n\x1a\n but no more");
  EXPECT_EQ(cache_format_of(folder / "mine.h5"), std::nullopt);
  EXPECT_EQ(cache_format_of(folder / "nowhere.h5"), std::nullopt);
}

TEST(FileProbe, CountsTheRowsOfWholeFilesOnly) {
  const TemporaryFolder folder;
  const Manifest manifest = write_example_cache(folder.path());
  EXPECT_EQ(row_count_of_whole_file(folder / "shard-00001.h5", CacheFileKind::kShard), 2);
  EXPECT_EQ(row_count_of_whole_file(folder / "text.h5", CacheFileKind::kText), 3);
  EXPECT_EQ(row_count_of_whole_file(folder / "text.h5", CacheFileKind::kShard), std::nullopt);
  std::filesystem::resize_file(folder / "text.h5", static_cast<uintmax_t>(manifest.text.bytes) / 2);
  EXPECT_EQ(row_count_of_whole_file(folder / "text.h5", CacheFileKind::kText), std::nullopt);
}

// Every byte of the file's structure in turn: whatever HDF5 does, this process lives.
TEST(FileProbe, OutlivesAnyDamage) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  const std::string good = bytes_of(folder / "shard-00000.h5");
  for (size_t byte = 0; byte < good.size(); byte += 499) {
    std::string damaged = good;
    damaged[byte] = static_cast<char>(~damaged[byte]);
    write_bytes(folder / "damaged.h5", damaged);
    cache_format_of(folder / "damaged.h5");
    row_count_of_whole_file(folder / "damaged.h5", CacheFileKind::kShard);
  }
}

}  // namespace
}  // namespace sdlora::data
