#include "data/caching/cache_plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/data/example_cache.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;

std::vector<PlannedSample> example_samples(int64_t count) {
  std::vector<PlannedSample> samples;
  for (int64_t sample = 0; sample < count; ++sample)
    samples.push_back({fmt::format("picture{}.png", sample), fmt::format("{:064}", sample), sample % 2});
  return samples;
}

CachePlan example_plan(const CacheSettings& settings = example_settings(), int64_t count = 7) {
  return make_cache_plan(settings, example_samples(count), {"", "a caption"});
}

std::vector<std::string> shard_hashes(const CachePlan& plan) {
  std::vector<std::string> hashes;
  for (const PlannedShard& shard : plan.shards) hashes.push_back(shard.inputs_sha256);
  return hashes;
}

TEST(CachePlan, FillsShardsInOrderTheLastWithTheRest) {
  const CachePlan plan = example_plan();
  ASSERT_EQ(plan.shards.size(), 3u);
  EXPECT_EQ(plan.shards[0].file_name, "shard-00000.h5");
  EXPECT_EQ(plan.shards[2].file_name, "shard-00002.h5");
  EXPECT_EQ(plan.shards[1].samples.front().source, "picture3.png");
  EXPECT_EQ(plan.shards[2].samples.size(), 1u);
  EXPECT_EQ(plan.picture_count(), 7);
}

TEST(CachePlan, PutsPicturesOfASizeTogetherEachSizeIntoShardsOfItsOwn) {
  std::vector<PlannedSample> samples = example_samples(7);
  for (size_t sample = 0; sample < samples.size(); ++sample) {
    const PictureSize size = sample % 2 == 0 ? square(64) : PictureSize{.width = 32, .height = 128};
    samples[sample].fit = {.original = size, .resized = size, .size = size};
  }
  CacheSettings settings = example_settings();
  settings.buckets = BucketRules{};
  const CachePlan plan = make_cache_plan(settings, samples, {"", "a caption"});
  std::vector<std::vector<std::string>> sources;
  for (const PlannedShard& shard : plan.shards) {
    sources.emplace_back();
    for (const PlannedSample& sample : shard.samples) sources.back().push_back(sample.source);
  }
  EXPECT_THAT(sources, ElementsAre(ElementsAre("picture1.png", "picture3.png", "picture5.png"),
                                   ElementsAre("picture0.png", "picture2.png", "picture4.png"),
                                   ElementsAre("picture6.png")));
  samples[5].fit->resized.width = 33;
  EXPECT_NE(make_cache_plan(settings, samples, {"", "a caption"}).shards[0].inputs_sha256,
            plan.shards[0].inputs_sha256);
  samples[0].repeats = 2;
  const CachePlan changed = make_cache_plan(settings, samples, {"", "a caption"});
  EXPECT_NE(changed.shards[1].inputs_sha256, plan.shards[1].inputs_sha256);

  const CachePlan handed_on = parse_cache_plan(to_json_text(changed));
  EXPECT_EQ(handed_on.shards[0].samples[2].fit, samples[5].fit);
  EXPECT_EQ(handed_on.shards[1].samples[0].repeats, 2);
  EXPECT_EQ(handed_on.settings, settings);
}

// Of the JSON that there was before there were buckets, by Python: such caches are kept as they are.
TEST(CachePlan, KeepsTheHashesOfCachesOfSquares) {
  EXPECT_EQ(example_plan().shards[0].inputs_sha256,
            "c8dd8de8d9f0402625ef684666149fad266868a6740b03980f7d89acca83b178");
}

TEST(CachePlan, AShardsHashChangesWithEverythingThatItsBytesDependOn) {
  const std::vector<std::string> reference = shard_hashes(example_plan());
  std::vector<CacheSettings> others(5, example_settings());
  others[0].picture_size = square(128);
  others[1].flip = true;
  others[2].vae_scaling_factor = 0.5;
  others[3].vae_sha256 = std::string(64, 'e');
  others[4].mixed_precision = model::MixedPrecision::kBf16;
  for (const CacheSettings& settings : others)
    EXPECT_NE(shard_hashes(example_plan(settings))[0], reference[0]);

  for (int change = 0; change < 3; ++change) {
    std::vector<PlannedSample> samples = example_samples(7);
    if (change == 0) samples[4].source = "renamed.png";
    if (change == 1) samples[4].source_sha256 = std::string(64, 'f');
    if (change == 2) samples[4].caption_index = 1 - samples[4].caption_index;
    const auto changed = shard_hashes(make_cache_plan(example_settings(), samples, {"", "a caption"}));
    EXPECT_EQ(changed[0], reference[0]);
    EXPECT_NE(changed[1], reference[1]);
    EXPECT_EQ(changed[2], reference[2]);
  }
}

TEST(CachePlan, AShardDoesNotDependOnTheTextNorTheTextOnThePictures) {
  const CachePlan reference = example_plan();
  CacheSettings other_text = example_settings();
  other_text.text_encoder_sha256 = std::string(64, 'e');
  EXPECT_EQ(shard_hashes(example_plan(other_text)), shard_hashes(reference));
  EXPECT_NE(example_plan(other_text).text_inputs_sha256, reference.text_inputs_sha256);
  other_text = example_settings();
  other_text.tokenizer_sha256 = std::string(64, 'e');
  EXPECT_NE(example_plan(other_text).text_inputs_sha256, reference.text_inputs_sha256);
  other_text = example_settings();
  other_text.mixed_precision = model::MixedPrecision::kBf16;
  EXPECT_NE(example_plan(other_text).text_inputs_sha256, reference.text_inputs_sha256);
  CacheSettings other_picture = example_settings();
  other_picture.vae_sha256 = std::string(64, 'e');
  EXPECT_EQ(example_plan(other_picture).text_inputs_sha256, reference.text_inputs_sha256);
}

TEST(CachePlan, TravelsAsText) {
  CachePlan plan = example_plan(example_settings(true));
  plan.shards[1].is_kept = true;
  plan.is_text_kept = true;
  plan.reusable_shards = {"shard-00004.h5.previous"};
  plan.skipped = {{"bröken.png", "an empty file"}};
  const CachePlan back = parse_cache_plan(to_json_text(plan));
  EXPECT_EQ(back.settings, plan.settings);
  EXPECT_EQ(shard_hashes(back), shard_hashes(plan));
  EXPECT_EQ(back.captions, plan.captions);
  EXPECT_EQ(back.text_inputs_sha256, plan.text_inputs_sha256);
  EXPECT_EQ(back.skipped, plan.skipped);
  EXPECT_EQ(back.reusable_shards, plan.reusable_shards);
  EXPECT_TRUE(back.is_text_kept);
  EXPECT_THAT((std::vector<bool>{back.shards[0].is_kept, back.shards[1].is_kept, back.shards[2].is_kept}),
              ElementsAre(false, true, false));
  EXPECT_EQ(back.shards[2].samples[0].source, "picture6.png");
  EXPECT_EQ(back.shards[2].samples[0].source_sha256, plan.shards[2].samples[0].source_sha256);
  EXPECT_EQ(back.shards[1].samples[0].caption_index, 1);
}

}  // namespace
}  // namespace sdlora::data
