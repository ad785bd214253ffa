#include "data/dataset.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "checkpoint/sha256.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "data/shards/shard_writer.h"
#include "tests/data/example_cache.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::HasSubstr;

std::string refusal(const std::filesystem::path& cache, ExitCode exit_code = ExitCode::kBadData) {
  try {
    const Dataset dataset(cache);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), exit_code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

void write_manifest(const std::filesystem::path& cache, const Manifest& manifest) {
  write_text_atomically(cache / kManifestName, to_json_text(manifest));
}

TEST(Dataset, GivesTheSamplesOfAllShardsInOrder) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  const Dataset dataset(folder.path());
  ASSERT_EQ(dataset.sample_count(), 5);
  EXPECT_EQ(dataset.picture_size(), square(64));
  EXPECT_EQ(dataset.vae_scaling_factor(), 0.18215);
  EXPECT_FALSE(dataset.has_flip());
  for (int64_t index = 0; index < 5; ++index) {
    const ShardContent shard = index < 3 ? example_shard(0, 3) : example_shard(3, 2);
    const int64_t row = index < 3 ? index : index - 3;
    const Sample sample = dataset.sample(index);
    EXPECT_TRUE(at::equal(sample.latent_mean, shard.latents[0][row])) << index;
    EXPECT_TRUE(at::equal(sample.latent_std, shard.latents[1][row])) << index;
    EXPECT_TRUE(at::equal(dataset.embedding_of(dataset.captions_of(index).front()),
                          example_text(3).embedding[index % 3]))
        << index;
    EXPECT_EQ(sample.source, shard.source[static_cast<size_t>(row)]);
  }
}

TEST(Dataset, GivesMasksAlsoOfMirrorImagesAndTellsRegularisationPictures) {
  const TemporaryFolder folder;
  Manifest manifest = write_example_cache(folder.path(), /*flip=*/true);
  manifest.settings.mask = MaskKind::kFile;
  manifest.settings.subsets = {{}, {.name = "reg", .is_reg = true}};
  for (size_t index = 0; index < 2; ++index) {
    ShardContent shard = index == 0 ? example_shard(0, 3, true) : example_shard(3, 2, true);
    shard.masks = at::rand({shard.picture_count(), 8, 8});
    shard.mask_sha256.assign(shard.source.size(), "");
    shard.mask_sha256[0] = std::string(64, 'e');
    if (index == 1) shard.subset = {0, 1};
    if (index == 1) shard.other_captions = {{}, {0, 2}};
    const std::filesystem::path file = folder / shard_file_name(static_cast<int64_t>(index));
    write_shard(file, shard);
    manifest.shards[index] = describe_file(file, shard.picture_count());
    manifest.shards[index].picture_size = square(64);
  }
  write_manifest(folder.path(), manifest);
  const Dataset dataset(folder.path());
  EXPECT_EQ(dataset.reg_count(), 1);
  for (int64_t sample = 0; sample < 10; ++sample) EXPECT_EQ(dataset.is_reg(sample), sample % 5 == 4);
  const at::Tensor mask = dataset.sample(3).mask;
  EXPECT_EQ(mask.sizes(), at::IntArrayRef({8, 8}));
  EXPECT_TRUE(at::equal(dataset.sample(8).mask, mask.flip(1)));
  EXPECT_EQ(read_manifest(folder.path()), manifest);
  EXPECT_THAT(dataset.captions_of(3), testing::ElementsAre(0));
  EXPECT_THAT(dataset.captions_of(9), testing::ElementsAre(1, 0, 2)) << "a mirror image's are its picture's";

  manifest.settings.subsets.pop_back();
  write_manifest(folder.path(), manifest);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("subset is out of range"));
  manifest.settings.subsets.push_back({.name = "reg", .is_reg = true});
  manifest.settings.mask = MaskKind::kAlpha;
  write_manifest(folder.path(), manifest);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("masks by files differs"));
}

TEST(Dataset, HoldsPicturesOfSeveralSizesWithTheirRepeats) {
  const TemporaryFolder folder;
  write_example_bucket_cache(folder.path());
  const Dataset dataset(folder.path());
  ASSERT_EQ(dataset.picture_count(), 7);
  EXPECT_TRUE(dataset.has_several_sizes());
  EXPECT_EQ(dataset.buckets_in_words(), "64x64 5, 128x64 2");
  EXPECT_EQ(dataset.size_of(4), square(64));
  EXPECT_EQ(dataset.size_of(5), (PictureSize{.width = 128, .height = 64}));
  EXPECT_EQ(dataset.sample(6).latent_mean.sizes(), at::IntArrayRef({4, 8, 16}));
  EXPECT_TRUE(at::equal(dataset.sample(6).latent_std, example_bucket_shard(5, 2).latents[1][1]));
  EXPECT_EQ(dataset.repeats_of(4), 1);
  EXPECT_EQ(dataset.repeats_of(5), 3);
  EXPECT_EQ(dataset.repeats_of(6), 1);
}

TEST(Dataset, RefusesAShardWhoseSizeOrRepeatsAreNotTheManifests) {
  const TemporaryFolder folder;
  const Manifest manifest = write_example_bucket_cache(folder.path());
  Manifest changed = manifest;
  changed.shards[2].picture_size = {.width = 64, .height = 128};
  write_manifest(folder.path(), changed);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("the image size"));
  changed = manifest;
  changed.shards[2].repeats = 5;
  write_manifest(folder.path(), changed);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("the number of repeats"));
  changed = manifest;
  changed.settings.buckets.reset();
  write_manifest(folder.path(), changed);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("cropping to buckets"));
}

TEST(Dataset, GivesViewsOfTheShards) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  const Dataset dataset(folder.path());
  EXPECT_EQ(dataset.sample(4).latent_mean.const_data_ptr(), dataset.sample(4).latent_mean.const_data_ptr());
  EXPECT_TRUE(dataset.sample(3).latent_mean.is_alias_of(dataset.sample(4).latent_std));
  EXPECT_FALSE(dataset.sample(2).latent_mean.is_alias_of(dataset.sample(3).latent_mean));
}

TEST(Dataset, MirrorImagesAreSamplesBehindThePictures) {
  const TemporaryFolder folder;
  write_example_cache(folder.path(), true);
  const Dataset dataset(folder.path());
  EXPECT_TRUE(dataset.has_flip());
  EXPECT_EQ(dataset.picture_count(), 5);
  ASSERT_EQ(dataset.sample_count(), 10);
  const ShardContent second = example_shard(3, 2, true);
  EXPECT_TRUE(at::equal(dataset.sample(9).latent_mean, second.latents[2][1]));
  EXPECT_TRUE(at::equal(dataset.sample(9).latent_std, second.latents[3][1]));
  EXPECT_TRUE(at::equal(dataset.sample(4).latent_mean, second.latents[0][1]));
  EXPECT_EQ(dataset.captions_of(9), dataset.captions_of(4));
  EXPECT_EQ(dataset.sample(9).source, dataset.sample(4).source + " (mirrored)");
}

TEST(Dataset, AnIndexOutOfRangeIsADefectOfTheCaller) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  const Dataset dataset(folder.path());
  EXPECT_THROW(dataset.sample(5), Error);
  EXPECT_THROW(dataset.sample(-1), Error);
}

TEST(Dataset, ItsHashIsThatOfTheManifest) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  EXPECT_EQ(Dataset(folder.path()).manifest_sha256(), checkpoint::sha256_of_file(folder / kManifestName));
}

TEST(Dataset, AFlippedBitAnywhereInAnyFileIsFound) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  for (const char* name : {"shard-00000.h5", "shard-00001.h5", "text.h5"}) {
    const std::string good = read_text(folder / name);
    for (size_t byte = 3; byte < good.size(); byte += good.size() / 9) {
      flip_bit(folder / name, static_cast<int64_t>(byte));
      EXPECT_THAT(refusal(folder.path()), HasSubstr(name));
      write_bytes(folder / name, good);
    }
  }
  const Dataset intact(folder.path());
}

TEST(Dataset, ACutOffMissingOrSwappedFileIsNamed) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  const std::string shard = read_text(folder / "shard-00001.h5");
  write_bytes(folder / "shard-00001.h5", shard.substr(0, shard.size() - 1));
  EXPECT_THAT(refusal(folder.path()), HasSubstr("shard-00001.h5"));
  write_bytes(folder / "shard-00001.h5", read_text(folder / "shard-00000.h5"));
  EXPECT_THAT(refusal(folder.path()), HasSubstr("shard-00001.h5"));
  std::filesystem::remove(folder / "shard-00001.h5");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("missing"));
}

TEST(Dataset, AFolderWithoutManifestIsNotFinished) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  std::filesystem::remove(folder / kManifestName);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("not a finished cache"));
  EXPECT_THAT(refusal(folder / "nowhere"), HasSubstr("not a finished cache"));
}

TEST(Dataset, FilesThatDoNotFitTheManifestAreRefusedEvenWithRightHashes) {
  const TemporaryFolder folder;
  const Manifest good = write_example_cache(folder.path());
  const auto refusal_of = [&](const auto& change) {
    Manifest manifest = good;
    change(manifest);
    write_manifest(folder.path(), manifest);
    return refusal(folder.path());
  };
  EXPECT_THAT(refusal_of([](Manifest& m) { m.settings.picture_size = square(128); }),
              HasSubstr("the image size"));
  EXPECT_THAT(refusal_of([](Manifest& m) { m.settings.flip = true; }), HasSubstr("the mirrored half"));
  EXPECT_THAT(refusal_of([](Manifest& m) { m.settings.vae_scaling_factor = 1; }),
              HasSubstr("the scaling factor"));
  EXPECT_THAT(refusal_of([](Manifest& m) { m.settings.vae_sha256 = std::string(64, 'f'); }),
              HasSubstr("the VAE"));
  EXPECT_THAT(refusal_of([](Manifest& m) { m.settings.tokenizer_sha256 = "f"; }), HasSubstr("the tokenizer"));
  EXPECT_THAT(refusal_of([](Manifest& m) { m.shards[0].row_count = 4; }), HasSubstr("the number of samples"));
  EXPECT_THAT(refusal_of([](Manifest& m) { m.text.row_count = 5; }), HasSubstr("the number of captions"));
}

TEST(Dataset, ShardsWithLatentsOfAnotherSizeAreRefused) {
  const TemporaryFolder folder;
  Manifest manifest = write_example_cache(folder.path());
  ShardContent shard = example_shard(3, 2);
  shard.latents = at::zeros({kPlanesPlain, 2, 4, 16, 16});
  write_shard(folder / "shard-00001.h5", shard);
  manifest.shards[1] = describe_file(folder / "shard-00001.h5", 2);
  write_manifest(folder.path(), manifest);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("differ in shape"));
}

TEST(Dataset, ACaptionThatIsNotThereIsRefused) {
  const TemporaryFolder folder;
  Manifest manifest = write_example_cache(folder.path());
  ShardContent shard = example_shard(3, 2);
  shard.caption_index[1] = 3;
  write_shard(folder / "shard-00001.h5", shard);
  manifest.shards[1] = describe_file(folder / "shard-00001.h5", 2);
  write_manifest(folder.path(), manifest);
  EXPECT_THAT(refusal(folder.path()), HasSubstr("caption_index is out of range"));
}

TEST(Dataset, ACacheLargerThanTheMemoryIsRefusedBeforeItIsRead) {
  const TemporaryFolder folder;
  Manifest manifest = write_example_cache(folder.path());
  manifest.shards[0].bytes = int64_t{1} << 60;
  write_manifest(folder.path(), manifest);
  EXPECT_THAT(refusal(folder.path(), ExitCode::kMismatch), HasSubstr("memory"));
}

TEST(VerifyCache, NamesEveryFlawAtOnce) {
  const TemporaryFolder folder;
  write_example_cache(folder.path());
  EXPECT_EQ(verify_cache(folder.path()).picture_count(), 5);
  flip_bit(folder / "shard-00000.h5", 5000);
  std::filesystem::remove(folder / "text.h5");
  try {
    verify_cache(folder.path());
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
    EXPECT_THAT(error.what(), HasSubstr("2 of 3 files"));
    EXPECT_THAT(error.what(), HasSubstr("shard-00000.h5"));
    EXPECT_THAT(error.what(), HasSubstr("text.h5"));
  }
}

}  // namespace
}  // namespace sdlora::data
