#include "data/picture_folders.h"

#include <gmock/gmock.h>

#include "common/atomic_file.h"
#include "data/captions/caption_tags.h"
#include "data/shards/shard_writer.h"
#include "tests/data/example_cache.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(CaptionTags, ArePartsBetweenCommasEachOnce) {
  EXPECT_THAT(caption_tags("a Fox,  ink drawing , ,a Fox\n"), UnorderedElementsAre("a Fox", "ink drawing"));
  EXPECT_THAT(caption_tags(""), IsEmpty());
}

PictureFolder folder_with(std::map<std::string, int64_t> tags, int64_t picture_count, bool is_reg = false) {
  return {.name = "f", .is_reg = is_reg, .picture_count = picture_count, .tags = std::move(tags)};
}

TEST(SharedTags, AreThoseOfAllPicturesButRegularisations) {
  EXPECT_THAT(shared_tags({folder_with({{"ink", 3}, {"fox", 2}}, 3), folder_with({{"ink", 1}, {"owl", 1}}, 1),
                           folder_with({{"animal", 9}}, 9, /*is_reg=*/true)}),
              ElementsAre("ink"));
  EXPECT_THAT(shared_tags({folder_with({{"ink", 2}}, 3)}), IsEmpty());
  EXPECT_THAT(shared_tags({}), IsEmpty());
}

TEST(PictureFolders, AreOnePlainSetWithoutANameWhereNothingDividesIt) {
  const TemporaryFolder folder;
  write_example_cache(folder.path(), /*flip=*/true);
  const Dataset dataset(folder.path());
  const std::vector<PictureFolder> folders = picture_folders(dataset, {0, 1, 2, 4, 5, 9});  // 5, 9: mirrored
  ASSERT_EQ(folders.size(), 1);
  EXPECT_EQ(folders[0].name, "");
  EXPECT_EQ(folders[0].picture_count, 4);
  EXPECT_EQ(folders[0].repeats, 1);
  EXPECT_THAT(folders[0].tags, ElementsAre(Pair("caption é 1", 2), Pair("caption é 2", 1)));
}

TEST(PictureFolders, AreKohyasFoldersAndSubsets) {
  const TemporaryFolder folder;
  Manifest manifest = write_example_cache(folder.path());
  manifest.settings.subsets = {{}, {.name = "reg", .is_reg = true}};
  ShardContent shard = example_shard(0, 3);
  shard.source = {"10_Ink/a.png", "10_Ink/b.png", "reg:1_dog/c.png"};
  shard.subset = {0, 0, 1};
  shard.repeats = {10, 10, 1};
  write_shard(folder / "shard-00000.h5", shard);
  manifest.shards = {describe_file(folder / "shard-00000.h5", 3)};
  manifest.shards[0].picture_size = shard.header.picture_size;
  manifest.shards[0].repeats = 21;
  write_text_atomically(folder / kManifestName, to_json_text(manifest));
  const std::vector<PictureFolder> folders = picture_folders(Dataset(folder.path()), {0, 1, 2});
  ASSERT_EQ(folders.size(), 2);
  EXPECT_EQ(folders[0].name, "10_Ink");
  EXPECT_EQ(folders[0].repeats, 10);
  EXPECT_EQ(folders[0].picture_count, 2);
  EXPECT_EQ(folders[1].name, "1_dog");
  EXPECT_TRUE(folders[1].is_reg);
}

}  // namespace
}  // namespace sdlora::data
