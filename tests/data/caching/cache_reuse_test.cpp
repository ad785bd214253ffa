// mark_reusable_files of cache_plan.h: which files of an earlier run are still good.
#include <gmock/gmock.h>

#include "common/atomic_file.h"
#include "data/caching/cache_plan.h"
#include "data/images/image_loader.h"
#include "data/shards/shard_writer.h"
#include "data/shards/text_file.h"
#include "tests/data/example_cache.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

// The plan that write_example_cache's files fulfil once they carry its hashes; "left-out.png" comes after the
// first sample.
class KeptFiles : public testing::Test {
 protected:
  KeptFiles() {
    for (const ShardContent& shard : {example_shard(0, 3), example_shard(3, 2)})
      for (size_t row = 0; row < shard.source.size(); ++row)
        samples_.push_back({shard.source[row], shard.source_sha256[row], shard.caption_index[row]});
    write_files();
  }

  CachePlan plan() const {
    CachePlan plan = make_cache_plan(settings_, samples_, example_text(3).caption);
    mark_reusable_files(plan, read_record(folder_.path()), folder_.path());
    return plan;
  }

  // Files as a finished run on samples_ leaves them.
  void write_files() {
    const CachePlan wanted = make_cache_plan(settings_, samples_, example_text(3).caption);
    Manifest manifest{.settings = settings_};
    for (const PlannedShard& planned : wanted.shards) {
      ShardContent shard = example_shard(0, static_cast<int64_t>(planned.samples.size()));
      shard.header.inputs_sha256 = planned.inputs_sha256;
      for (size_t row = 0; row < planned.samples.size(); ++row) {
        shard.source[row] = planned.samples[row].source;
        shard.source_sha256[row] = planned.samples[row].source_sha256;
        shard.caption_index[row] = planned.samples[row].caption_index;
      }
      write_shard(folder_ / planned.file_name, shard);
      manifest.shards.push_back(describe_file(folder_ / planned.file_name, shard.picture_count()));
    }
    TextContent text = example_text(3);
    text.inputs_sha256 = wanted.text_inputs_sha256;
    write_text_file(folder_ / kTextFileName, text);
    manifest.text = describe_file(folder_ / kTextFileName, 3);
    write_text_atomically(folder_ / kManifestName, to_json_text(manifest));
  }

  const TemporaryFolder folder_;
  CacheSettings settings_ = example_settings();
  std::vector<PlannedSample> samples_;
};

TEST_F(KeptFiles, AFinishedCacheIsKeptWhole) {
  const CachePlan plan = this->plan();
  EXPECT_TRUE(plan.shards[0].is_kept);
  EXPECT_TRUE(plan.shards[1].is_kept);
  EXPECT_TRUE(plan.is_text_kept);
}

TEST_F(KeptFiles, FilesThatNobodyVouchesForAreNotOpened) {
  fs::remove(folder_ / kManifestName);
  EXPECT_FALSE(plan().shards[0].is_kept);
  EXPECT_FALSE(plan().is_text_kept);
}

TEST_F(KeptFiles, AJournalIsAsGoodAsAManifest) {
  write_journal(folder_.path(), read_record(folder_.path()));
  fs::remove(folder_ / kManifestName);
  EXPECT_TRUE(plan().shards[0].is_kept);
  EXPECT_TRUE(plan().is_text_kept);
}

TEST_F(KeptFiles, OnlyTheShardOfAChangedPictureIsNotKept) {
  samples_[4].source_sha256 = std::string(64, 'f');
  const CachePlan plan = this->plan();
  EXPECT_TRUE(plan.shards[0].is_kept);
  EXPECT_FALSE(plan.shards[1].is_kept);
  EXPECT_TRUE(plan.is_text_kept);
  EXPECT_TRUE(fs::exists(folder_ / "shard-00001.h5"));  // its other rows are of use
}

TEST_F(KeptFiles, AChangedCaptionOrTextModelMeansAnotherText) {
  settings_.text_encoder_sha256 = std::string(64, 'e');
  EXPECT_FALSE(plan().is_text_kept);
  EXPECT_TRUE(plan().shards[0].is_kept);
}

TEST_F(KeptFiles, AnEmptyFolderHoldsNothing) {
  for (const char* name : {"shard-00000.h5", "shard-00001.h5", "text.h5", "manifest.json"})
    fs::remove(folder_ / name);
  EXPECT_FALSE(plan().shards[0].is_kept);
  EXPECT_FALSE(plan().is_text_kept);
}

// A picture that did not decode: in the plan, in the inputs' hash, not in the file.
class LeftOutPicture : public KeptFiles {
 protected:
  LeftOutPicture() {
    samples_.insert(samples_.begin() + 1, {"left-out.png", std::string(64, '9'), 0});
    const CachePlan wanted = make_cache_plan(settings_, samples_, example_text(3).caption);
    ShardContent shard = example_shard(0, 2);
    shard.header.inputs_sha256 = wanted.shards[0].inputs_sha256;
    shard.source = {samples_[0].source, samples_[2].source};
    shard.source_sha256 = {samples_[0].source_sha256, samples_[2].source_sha256};
    shard.caption_index = {samples_[0].caption_index, samples_[2].caption_index};
    write_files();
    write_shard(folder_ / "shard-00000.h5", shard);
    write_left_out("damaged");
  }

  void write_left_out(const std::string& reason) {
    Manifest manifest = read_manifest(folder_.path());
    manifest.shards[0] = describe_file(folder_ / "shard-00000.h5", 2);
    manifest.skipped = {{"left-out.png", reason}};
    write_text_atomically(folder_ / kManifestName, to_json_text(manifest));
  }
};

TEST_F(LeftOutPicture, IsKnownFromTheManifestWithItsReason) {
  const CachePlan plan = this->plan();
  EXPECT_TRUE(plan.shards[0].is_kept);
  EXPECT_EQ(plan.skipped, (std::vector<SkippedImage>{{"left-out.png", "damaged"}}));
}

TEST_F(LeftOutPicture, IsTriedAgainWhenItsDecoderDied) {
  write_left_out(kDecoderDied);
  EXPECT_FALSE(plan().shards[0].is_kept);
  EXPECT_TRUE(plan().skipped.empty());
}

TEST_F(LeftOutPicture, IsTriedAgainWhenItCouldNotBeRead) {
  write_left_out("cannot be read: Stale file handle");
  EXPECT_FALSE(plan().shards[0].is_kept);
}

}  // namespace
}  // namespace sdlora::data
