#include "data/caching/output_directory.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "common/error.h"
#include "tests/data/example_cache.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

namespace fs = std::filesystem;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> names_of(const CacheRecord& record) {
  std::vector<std::string> names;
  for (const auto& [name, file] : record.files) names.push_back(name);
  return names;
}

TEST(OutputDirectory, IsCreatedAndHasOneOwnerAtATime) {
  const TemporaryFolder folder;
  {
    const OutputDirectory owner(folder / "deep/cache");
    try {
      const OutputDirectory second(folder / "deep/cache");
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::kMismatch);
      EXPECT_THAT(error.what(), HasSubstr("held by cache_latents, process"));
    }
  }
  const OutputDirectory next_owner(folder / "deep/cache");
}

TEST(OutputDirectory, ARebuildPutsAsideWhatIsNotKeptAndReplacesTheManifestByTheJournal) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  write_bytes(folder / "shard-00002.h5", "nobody vouches for this");
  write_bytes(folder / "mine.txt", "mine");
  OutputDirectory output(folder.path());
  CachePlan plan;
  plan.shards = {{.file_name = "shard-00000.h5", .is_kept = true}, {.file_name = "shard-00001.h5"}};
  plan.is_text_kept = true;
  output.begin_rebuild(plan);
  EXPECT_THAT(names_in(folder.path()), ElementsAre(".cache_latents.lock", "mine.txt", "shard-00000.h5",
                                                   "shard-00001.h5.previous", "text.h5", "unfinished.json"));
  EXPECT_THAT(names_of(output.record()), ElementsAre("shard-00000.h5", "shard-00001.h5.previous", "text.h5"));
}

TEST(OutputDirectory, ANewOwnerGoesOnWhereAKilledOneStopped) {
  const TemporaryFolder folder;
  const Manifest manifest = write_example_cache(folder.path());
  CachePlan plan;
  plan.shards = {{.file_name = "shard-00000.h5"}, {.file_name = "shard-00001.h5"}};
  plan.is_text_kept = true;
  {
    OutputDirectory killed(folder.path());
    killed.begin_rebuild(plan);
    write_bytes(folder / "shard-00000.h5", "the new one");
    killed.add_finished(describe_file(folder / "shard-00000.h5", 7), {{"a.png", "damaged"}});
    write_bytes(folder / ".shard-00001.h5.tmp-77", "half");
  }
  const OutputDirectory next(folder.path());
  EXPECT_THAT(names_of(next.record()),
              ElementsAre("shard-00000.h5", "shard-00000.h5.previous", "shard-00001.h5.previous", "text.h5"));
  EXPECT_EQ(next.record().files.at("shard-00000.h5").row_count, 7);
  EXPECT_EQ(next.record().files.at("shard-00001.h5.previous").sha256, manifest.shards[1].sha256);
  EXPECT_EQ(next.record().left_out.at("a.png"), "damaged");
}

// At any moment between the journal and the last rename.
TEST(OutputDirectory, AKillBetweenTwoRenamesLosesNothing) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  CachePlan plan;
  {
    OutputDirectory killed(folder.path());
    killed.begin_rebuild(plan);
  }
  std::filesystem::rename(folder / "shard-00001.h5.previous", folder / "shard-00001.h5");
  CacheRecord record = read_record(folder.path());
  record.add({"shard-00001.h5", record.files.at("shard-00001.h5.previous").bytes,
              record.files.at("shard-00001.h5.previous").sha256, 2});
  write_journal(folder.path(), record);
  OutputDirectory next(folder.path());
  EXPECT_TRUE(next.record().files.contains("shard-00001.h5"));
  next.begin_rebuild(plan);
  EXPECT_THAT(names_of(next.record()),
              ElementsAre("shard-00000.h5.previous", "shard-00001.h5.previous", "text.h5.previous"));
}

TEST(OutputDirectory, DamagedFilesAreRemovedAndForgotten) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  flip_bit(folder / "shard-00000.h5", 100);
  const OutputDirectory output(folder.path());
  EXPECT_THAT(names_of(output.record()), ElementsAre("shard-00001.h5", "text.h5"));
  EXPECT_FALSE(fs::exists(folder / "shard-00000.h5"));
}

TEST(OutputDirectory, FinishingLeavesTheManifestItsFilesAndOtherPeoples) {
  const TemporaryFolder folder;
  const Manifest manifest = write_example_cache(folder.path());
  fs::remove(folder / kManifestName);
  for (const char* name : {"shard-00002.h5", "shard-00000.h5.previous", "text.h5.previous", "unfinished.json",
                           ".shard-00000.h5.tmp-12", ".text.h5.tmp-12", ".manifest.json.tmp-12",
                           ".metrics_targets.json.tmp-12", "mine.h5", ".mine.tmp-3", "shard-list.txt"})
    write_bytes(folder / name, name);
  OutputDirectory output(folder.path());
  EXPECT_TRUE(output.finish(manifest));
  EXPECT_THAT(names_in(folder.path()),
              ElementsAre(".cache_latents.lock", ".mine.tmp-3", "manifest.json", "mine.h5", "shard-00000.h5",
                          "shard-00001.h5", "shard-list.txt", "text.h5"));
  EXPECT_EQ(read_manifest(folder.path()), manifest);
  EXPECT_FALSE(output.finish(manifest));
}

}  // namespace
}  // namespace sdlora::data
