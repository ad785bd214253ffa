#include "data/caching/cache_record.h"

#include <gmock/gmock.h>

#include "common/atomic_file.h"
#include "tests/data/example_cache.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(CacheRecord, OfAFinishedCacheIsItsManifest) {
  const TemporaryFolder folder;
  const Manifest manifest = write_example_cache(folder.path());
  write_bytes(folder / kJournalName, "of no interest beside a manifest");
  const CacheRecord record = read_record(folder.path());
  EXPECT_THAT(record.files, SizeIs(3));
  EXPECT_EQ(record.files.at("shard-00001.h5"), manifest.shards[1]);
  EXPECT_EQ(record.files.at("text.h5"), manifest.text);
  EXPECT_EQ(record.left_out.at("broken.png"), "an empty file");
}

TEST(CacheRecord, OfAnUnfinishedCacheIsItsJournal) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  const CacheRecord written = read_record(folder.path());
  write_journal(folder.path(), written);
  std::filesystem::remove(folder / kManifestName);
  const CacheRecord read = read_record(folder.path());
  EXPECT_EQ(read.files, written.files);
  EXPECT_EQ(read.left_out, written.left_out);
}

TEST(CacheRecord, IsEmptyWhereNobodyVouchesForAnything) {
  const TemporaryFolder folder;
  EXPECT_THAT(read_record(folder.path()).files, IsEmpty());
  for (const char* journal : {"", "{", "[]", "{}", R"({"format_version": 1, "files": [{}], "left_out": {}})",
                              R"({"format_version": 2, "files": [], "left_out": {}})"}) {
    write_bytes(folder / kJournalName, journal);
    EXPECT_THAT(read_record(folder.path()).files, IsEmpty()) << journal;
  }
}

TEST(CacheRecord, HasNoSayOverFilesOfOtherNames) {
  const TemporaryFolder folder;
  Manifest manifest = write_example_cache(folder.path());
  write_bytes(folder / "notes.h5", "mine");
  manifest.shards[1].name = "notes.h5";
  write_text_atomically(folder / kManifestName, to_json_text(manifest));
  CacheRecord record = read_record(folder.path());
  EXPECT_FALSE(record.files.contains("notes.h5"));
  remove_damaged(folder.path(), record);
  EXPECT_EQ(bytes_of(folder / "notes.h5"), "mine");

  std::filesystem::remove(folder / kManifestName);
  write_bytes(folder / kJournalName,
              R"({"format_version": 1, "left_out": {},
                  "files": [{"name": "../notes.h5", "bytes": 1, "sha256": "", "rows": 1}]})");
  EXPECT_THAT(read_record(folder.path()).files, IsEmpty());
}

TEST(CacheRecord, SaysWhyAManifestIsOfNoUseAndHowNewItIs) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_record(folder.path()).manifest_flaw, "there is no manifest.json");
  write_bytes(folder / kManifestName, "{");
  EXPECT_EQ(read_record(folder.path()).manifest_flaw,
            "manifest.json cannot be read (the manifest is damaged)");
  write_bytes(folder / kManifestName, R"({"format": "sdlora latent cache", "format_version": 9})");
  EXPECT_EQ(read_record(folder.path()).newest_format, 9);
  EXPECT_FALSE(read_record(folder.path()).is_finished);
}

TEST(CacheRecord, OfAnUnfinishedCacheSaysWhatItIsToBe) {
  const TemporaryFolder folder;
  CacheRecord record{.settings = example_settings(true), .replaces_another = true};
  write_journal(folder.path(), record);
  EXPECT_EQ(read_record(folder.path()).settings, record.settings);
  EXPECT_TRUE(read_record(folder.path()).replaces_another);
}

TEST(CacheRecord, ForgetsAndRemovesWhatIsDamagedOrGone) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  CacheRecord record = read_record(folder.path());
  flip_bit(folder / "shard-00001.h5", 200);
  std::filesystem::remove(folder / "text.h5");
  remove_damaged(folder.path(), record);
  EXPECT_THAT(record.files, SizeIs(1));
  EXPECT_TRUE(record.files.contains("shard-00000.h5"));
  EXPECT_FALSE(std::filesystem::exists(folder / "shard-00001.h5"));
}

}  // namespace
}  // namespace sdlora::data
