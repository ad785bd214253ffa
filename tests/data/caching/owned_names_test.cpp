#include "data/caching/owned_names.h"

#include <gtest/gtest.h>

namespace sdlora::data {
namespace {

TEST(OwnedNames, AreThoseThatCacheLatentsGives) {
  for (const char* name :
       {"shard-00000.h5", "shard-123456.h5", "text.h5", "shard-00007.h5.previous", "shard-00007.h5.partial",
        "text.h5.previous", "text.h5.partial", "text.h5.partial-1", "text.h5.partial-20"})
    EXPECT_EQ(kind_of_name(name), NameKind::kData) << name;
  EXPECT_EQ(kind_of_name("manifest.json"), NameKind::kManifest);
  EXPECT_EQ(kind_of_name("unfinished.json"), NameKind::kJournal);
  EXPECT_EQ(kind_of_name("metrics_targets.json"), NameKind::kTargets);
  EXPECT_EQ(kind_of_name(".cache_latents.lock"), NameKind::kLock);
  EXPECT_EQ(kind_of_name(".cache_latents.scan"), NameKind::kScan);
  for (const char* name : {".shard-00000.h5.tmp-12", ".text.h5.partial.tmp-1", ".manifest.json.tmp-9999",
                           ".metrics_targets.json.tmp-3", "..cache_latents.scan.tmp-4"})
    EXPECT_EQ(kind_of_name(name), NameKind::kTemporary) << name;
}

TEST(OwnedNames, AreNoOthers) {
  for (const char* name : {"shard-mine-train.h5",
                           "shard-1.h5",
                           "shard-.h5",
                           "shard-0000a.h5",
                           "shard-00000.hdf5",
                           "Shard-00000.h5",
                           "shard-00000.h5.previous.previous",
                           "shard-00000.h5.bak",
                           "text.h5~",
                           "text.h5.previous.partial",
                           "text.h5.partial-",
                           "text.h5.partial-01",
                           "text.h5-1",
                           "text.h5.previous-1",
                           "shard-00000.h5.partial-1",
                           "manifest.json.previous",
                           "shard-00000.h5.tmp-12",
                           ".shard-00000.h5.tmp-",
                           ".shard-00000.h5.tmp-1x",
                           ".mine.tmp-12",
                           ".shard-mine.h5.tmp-12",
                           ".tmp-12",
                           "",
                           "."})
    EXPECT_EQ(kind_of_name(name), NameKind::kForeign) << name;
}

TEST(OwnedNames, AreFinishedPutAsideOrInPart) {
  EXPECT_EQ(previous_name("text.h5"), "text.h5.previous");
  EXPECT_EQ(partial_name("text.h5"), "text.h5.partial");
  EXPECT_EQ(partial_name("text.h5", 3), "text.h5.partial-3");
  EXPECT_EQ(finished_name("text.h5.partial"), "text.h5");
  EXPECT_EQ(finished_name("text.h5.partial-3"), "text.h5");
  EXPECT_TRUE(is_partial_name("text.h5.partial-3"));
  EXPECT_EQ(finished_name("text.h5"), "text.h5");
  EXPECT_TRUE(is_finished_data_name("shard-00000.h5"));
  EXPECT_FALSE(is_finished_data_name("shard-00000.h5.previous"));
}

}  // namespace
}  // namespace sdlora::data
