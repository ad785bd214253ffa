#include "trainer/step/nonfinite_record.h"

#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "common/error.h"
#include "trainer/batches/sample_file.h"
#include "trainer/watching/nonfinite_guard.h"

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

MicroBatch batch_of_two() {
  return {.slots = {6, 7},
          .sample_indices = {40, 41},
          .sources = {"good.png", "bad.png"},
          .texts = {"a good one", "a bad one"},
          .latents = at::ones({2, 4, 3, 3}),
          .noise = at::full({2, 4, 3, 3}, 2.0),
          .timesteps = at::tensor({10, 20}, at::kLong),
          .text_embeddings = at::full({2, 5, 6}, 3.0)};
}

void add(NonfiniteSearch& search, float second_loss, float gradient, bool is_usable) {
  search.add(batch_of_two(), at::zeros({2, 4, 3, 3}), at::tensor({0.5f, second_loss}),
             at::full({9}, gradient), at::scalar_tensor(is_usable, at::kBool));
}

NonfiniteMicroBatch describe(float second_loss, float gradient) {
  NonfiniteSearch search(/*asks_at_once=*/true);
  add(search, second_loss, gradient, /*is_usable=*/false);
  return search.found().at(0);
}

class NonfiniteSearchEitherWay : public testing::TestWithParam<bool> {};

TEST_P(NonfiniteSearchEitherWay, FindsWhatTheReducerCannotUse) {
  NonfiniteSearch search(/*asks_at_once=*/GetParam());
  EXPECT_TRUE(search.found().empty());
  add(search, 0, 0, /*is_usable=*/true);
  add(search, 1e6f, 1, /*is_usable=*/false);
  add(search, 0, 0, /*is_usable=*/true);
  add(search, kNan, kNan, /*is_usable=*/false);
  const std::vector<NonfiniteMicroBatch> found = search.found();
  ASSERT_EQ(found.size(), 2);
  EXPECT_TRUE(found[0].is_finite());
  EXPECT_FALSE(found[1].is_finite());
}

INSTANTIATE_TEST_SUITE_P(AtOnceOrInTheEnd, NonfiniteSearchEitherWay, testing::Bool());

TEST(NonfiniteMicroBatch, SuspectsTheSampleWhoseLossIsNotFinite) {
  const NonfiniteMicroBatch micro_batch = describe(kNan, kNan);
  EXPECT_THAT(micro_batch.suspects(), ElementsAre(1));
  EXPECT_FALSE(micro_batch.has_finite_gradients);
}

TEST(NonfiniteMicroBatch, SuspectsEverySampleWhenOnlyTheGradientIsNotFinite) {
  EXPECT_THAT(describe(0, kInfinity).suspects(), ElementsAre(0, 1));
}

TEST(NonfiniteMicroBatch, WritesALossAsJsonCanHoldIt) {
  EXPECT_EQ(loss_text(-std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(loss_text(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(loss_text(0.125), "0.125");
}

TEST(SampleFile, GivesBackWhatItHolds) {
  const std::filesystem::path file = testing::TempDir() + "/" + sample_file_name(3, 7);
  EXPECT_EQ(file.filename(), "step-000003.sample-000007.safetensors");
  MicroBatch batch = batch_of_two();
  batch.latents[1].fill_(kInfinity);
  write_sample_file(file, batch, 1, at::zeros({2, 4, 3, 3}));
  const MicroBatch back = read_sample_file(file, at::kCPU);
  std::filesystem::remove(file);
  EXPECT_THAT(back.sources, ElementsAre("bad.png"));
  EXPECT_THAT(back.texts, ElementsAre("a bad one"));
  EXPECT_THAT(back.sample_indices, ElementsAre(41));
  EXPECT_TRUE(back.latents.equal(batch.latents.narrow(0, 1, 1)));
  EXPECT_TRUE(back.noise.equal(batch.noise.narrow(0, 1, 1)));
  EXPECT_TRUE(back.timesteps.equal(batch.timesteps.narrow(0, 1, 1)));
  EXPECT_TRUE(back.text_embeddings.equal(batch.text_embeddings.narrow(0, 1, 1)));
}

TEST(CheckFinite, NamesTheTensorThatMustNotBeSaved) {
  EXPECT_NO_THROW(check_finite({{"a.lora_A", at::ones({2, 3})}}, "run"));
  try {
    check_finite({{"a.lora_A", at::ones({2, 3})}, {"a.lora_B", at::full({2, 3}, kNan)}}, "run");
    FAIL() << "it should have thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kDiverged);
    EXPECT_THAT(error.what(), HasSubstr("NaN or infinity in a.lora_B"));
  }
}

}  // namespace
}  // namespace sdlora::trainer
