#include "trainer/batches/sample_split.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

TEST(SampleSplit, WithoutAFractionEverySampleIsTrainedOnInItsPlace) {
  const SampleSplit split = split_samples(4, /*has_flip=*/true, 0);
  EXPECT_THAT(split.training, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(split.held_out, testing::IsEmpty());
}

TEST(SampleSplit, EverySampleIsInOneOfTheTwo) {
  const SampleSplit split = split_samples(100, /*has_flip=*/false, 0.13);
  EXPECT_EQ(split.held_out.size(), 13u);
  std::vector<int64_t> all = split.training;
  all.insert(all.end(), split.held_out.begin(), split.held_out.end());
  std::sort(all.begin(), all.end());
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], i);
}

TEST(SampleSplit, AMirrorImageGoesWithItsPicture) {
  constexpr int64_t kPictures = 40;
  const SampleSplit split = split_samples(kPictures, /*has_flip=*/true, 0.25);
  EXPECT_EQ(split.held_out.size(), 20u);
  for (const int64_t sample : split.held_out)
    EXPECT_THAT(split.held_out, testing::Contains((sample + kPictures) % (2 * kPictures)));
}

TEST(SampleSplit, HoldsOutAtLeastOneAndNeverAll) {
  EXPECT_EQ(split_samples(10, false, 0.001).held_out.size(), 1u);
  EXPECT_EQ(split_samples(2, false, 0.9).training.size(), 1u);
  EXPECT_THROW(split_samples(1, false, 0.5), Error);
  EXPECT_THROW(split_samples(3, false, 0.5, {true, false, true}), Error);
}

TEST(SampleSplit, PicksPicturesFromAllOverTheSet) {
  const SampleSplit split = split_samples(1000, false, 0.1);
  EXPECT_LT(split.held_out.front(), 100);
  EXPECT_GT(split.held_out.back(), 900);
}

TEST(SampleSplit, NeverHoldsOutRegularisationPictures) {
  std::vector<bool> is_reg(100, false);
  for (size_t picture = 0; picture < 50; ++picture) is_reg[2 * picture] = true;
  const SampleSplit split = split_samples(100, /*has_flip=*/true, 0.2, is_reg);
  EXPECT_EQ(split.held_out.size(), 20u) << "a fifth of 50, mirrored as well";
  for (const int64_t sample : split.held_out) EXPECT_EQ(sample % 2, 1);
  EXPECT_EQ(split.training.size(), 180u);
}

TEST(SampleSplit, HoldsOutAllCopiesOfAPicture) {
  std::vector<std::string> content;
  for (int picture = 0; picture < 100; ++picture) content.push_back(std::to_string(picture % 50));
  const SampleSplit split = split_samples(100, /*has_flip=*/false, 0.2, {}, content);
  EXPECT_EQ(split.held_out.size(), 20u) << "a fifth of 50, twice";
  for (const int64_t sample : split.held_out)
    EXPECT_EQ(std::count(split.held_out.begin(), split.held_out.end(), (sample + 50) % 100), 1) << sample;
}

}  // namespace
}  // namespace sdlora::trainer
