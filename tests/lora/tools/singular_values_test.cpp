#include "lora/tools/singular_values.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/seeds.h"

namespace sdlora::lora {
namespace {

LowRankPair pair_of_shape(int64_t rank, std::vector<int64_t> in, int64_t out, double alpha) {
  at::Generator draws = generator_for(3);
  std::vector<int64_t> a_shape{rank};
  a_shape.insert(a_shape.end(), in.begin(), in.end());
  const std::vector<int64_t> b_shape =
      in.size() > 1 ? std::vector<int64_t>{out, rank, 1, 1} : std::vector{out, rank};
  return {.a = at::randn(a_shape, draws, at::kFloat),
          .b = at::randn(b_shape, draws, at::kFloat),
          .alpha = alpha,
          .tensor_names = {}};
}

at::Tensor difference_of(const LowRankPair& pair) {
  return at::mm(pair.b.flatten(1), pair.a.flatten(1)) * pair.scale();
}

TEST(SingularValues, OfAPairAreThoseOfItsProduct) {
  for (const LowRankPair& pair : {pair_of_shape(4, {12}, 20, 3), pair_of_shape(6, {3, 3, 3}, 8, 6)}) {
    const SingularValues seen = singular_values_of(pair);
    const SingularValues expected = singular_values_of(difference_of(pair));
    EXPECT_TRUE(at::allclose(seen.s, expected.s.narrow(0, 0, seen.s.size(0)), 1e-5, 1e-6));
    EXPECT_TRUE(
        at::allclose(at::mm(seen.u * seen.s, seen.vh).to(at::kFloat), difference_of(pair), 1e-4, 1e-5));
  }
}

TEST(SingularValues, CutToAllOfThemAreTheSameChange) {
  const LowRankPair pair = pair_of_shape(6, {3, 3, 3}, 8, 3);
  const LowRankPair all = cut_to(singular_values_of(pair), 6, pair.scale(), {3, 3, 3});
  EXPECT_EQ(all.a.sizes(), pair.a.sizes());
  EXPECT_EQ(all.b.sizes(), pair.b.sizes());
  EXPECT_EQ(all.scale(), pair.scale());
  EXPECT_TRUE(at::allclose(difference_of(all), difference_of(pair), 1e-4, 1e-5));
}

TEST(SingularValues, CutToFewerLoseWhatIsLeftOut) {
  const LowRankPair pair = pair_of_shape(4, {12}, 20, 8);
  const SingularValues values = singular_values_of(pair);
  const LowRankPair cut = cut_to(values, 2, pair.scale(), {12});
  EXPECT_EQ(cut.rank(), 2);
  const double lost = (difference_of(cut) - difference_of(pair)).square().sum().item<double>();
  EXPECT_NEAR(lost, lost_square(values, 2), 1e-4 * lost);
  EXPECT_NEAR(lost_square(values, 0), difference_of(pair).square().sum().item<double>(), 1e-3);
}

}  // namespace
}  // namespace sdlora::lora
