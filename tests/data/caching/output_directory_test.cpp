#include "data/caching/output_directory.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "common/error.h"
#include "data/shards/shard_writer.h"
#include "tests/data/example_cache.h"
#include "tests/support/error_of.h"
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
  write_bytes(folder / ".shard-00002.h5.tmp-7", "half a shard");
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
  for (const char* name : {"shard-00002.h5", "shard-00000.h5.previous"})
    fs::copy_file(folder / "shard-00000.h5", folder / name);
  fs::copy_file(folder / "text.h5", folder / "text.h5.previous");
  for (const char* name :
       {"unfinished.json", ".shard-00000.h5.tmp-12", ".text.h5.tmp-12", ".manifest.json.tmp-12",
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

TEST(OutputDirectory, WithSomebodysFileInTheWayIsRefusedBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  write_bytes(folder / "shard-00002.h5", "mine");
  const std::string message =
      message_of_error(ExitCode::kUsage, [&] { const OutputDirectory output(folder.path()); });
  EXPECT_THAT(message, HasSubstr("shard-00002.h5: not a file of a cache"));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("shard-00002.h5"));
}

TEST(OutputDirectory, LeavesAFileThatCameAfterTheSurveyAlone) {
  const TemporaryFolder folder;
  const Manifest manifest = write_example_cache(folder.path());
  OutputDirectory output(folder.path());
  write_bytes(folder / "shard-00007.h5", "mine");
  output.finish(manifest);
  EXPECT_EQ(bytes_of(folder / "shard-00007.h5"), "mine");
}

TEST(OutputDirectory, TakesWholeFilesThatNoManifestNamesByTheirOwnHashes) {
  const TemporaryFolder folder;
  const Manifest manifest = write_example_cache(folder.path());
  fs::remove(folder / kManifestName);
  const OutputDirectory output(folder.path());
  EXPECT_THAT(names_of(output.record()), ElementsAre("shard-00000.h5", "shard-00001.h5", "text.h5"));
  EXPECT_EQ(output.record().files.at("shard-00001.h5"), manifest.shards[1]);
}

TEST(OutputDirectory, TakesNothingFromAFileWhoseOwnChecksumsAreWrong) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  fs::remove(folder / kManifestName);
  const float latent = 77;
  const std::string bytes(reinterpret_cast<const char*>(&latent), sizeof(latent));
  flip_bit(folder / "shard-00000.h5", static_cast<int64_t>(bytes_of(folder / "shard-00000.h5").find(bytes)));
  OutputDirectory output(folder.path());
  EXPECT_THAT(names_of(output.record()), ElementsAre("shard-00001.h5", "text.h5"));
  CachePlan plan;
  plan.shards = {{.file_name = "shard-00000.h5"}, {.file_name = "shard-00001.h5", .is_kept = true}};
  plan.is_text_kept = true;
  output.begin_rebuild(plan);
  EXPECT_FALSE(fs::exists(folder / "shard-00000.h5"));
}

// Killed between writing a part and noting it down.
TEST(OutputDirectory, TakesAPartThatIsNewerThanTheJournal) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  {
    OutputDirectory killed(folder.path());
    killed.begin_rebuild(CachePlan());
    write_shard(folder / "shard-00000.h5.partial", example_shard(0, 1));
    killed.add_finished(describe_file(folder / "shard-00000.h5.partial", 1), {});
    write_shard(folder / "shard-00000.h5.partial", example_shard(0, 2));
  }
  const OutputDirectory next(folder.path());
  EXPECT_EQ(next.record().files.at("shard-00000.h5.partial").row_count, 2);
}

}  // namespace
}  // namespace sdlora::data
