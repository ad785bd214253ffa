#include "model/kernels/group_norm.h"

#include <array>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"
#include "tests/support/relative_error.h"

namespace sdlora::model::kernels {
namespace {

struct Case {
  int64_t batch, channels, groups, height, width;
  double offset;  // of all values: a mean far from 0
  bool then_silu, adds;
  at::ScalarType type;
};

// fp32's rounding and that of sums; bfloat16 has 2⁻⁹ of a number.
double allowed(const Case& c) {
  return c.type == at::kFloat ? 2e-6 * (1 + c.offset / 10) : 6e-3;
}

// Values as `type` has them, of a leaf that wants gradients.
at::Tensor leaf(at::IntArrayRef shape, uint64_t seed, const Case& c, double offset = 0) {
  return (random_values(shape, seed) + offset).to(c.type).set_requires_grad(true);
}

at::Tensor in_double(const at::Tensor& x) {
  return x.detach().to(at::kDouble).set_requires_grad(true);
}

class GroupNormOfOurOwn : public testing::TestWithParam<Case> {};

TEST_P(GroupNormOfOurOwn, ComputesWhatAtenComputesInDoubleBothWays) {
  const Case c = GetParam();
  const at::Tensor x = leaf({c.batch, c.channels, c.height, c.width}, 1, c, c.offset);
  const at::Tensor added = c.adds ? leaf({c.batch, c.channels}, 2, c) : at::Tensor();
  const at::Tensor weight = random_values({c.channels}, 3).to(c.type),
                   bias = random_values({c.channels}, 4).to(c.type);
  const Normalized mine = group_norm(x, added, {weight, bias, c.groups, 1e-5, c.then_silu});

  const at::Tensor x2 = in_double(x), added2 = c.adds ? in_double(added) : at::Tensor();
  const at::Tensor moved = c.adds ? x2 + added2.unsqueeze(-1).unsqueeze(-1) : x2;
  const at::Tensor normalized =
      at::group_norm(moved, c.groups, weight.to(at::kDouble), bias.to(at::kDouble), 1e-5);
  const at::Tensor expected = c.then_silu ? at::silu(normalized) : normalized;
  EXPECT_LT(relative_error(mine.output, expected), allowed(c));
  EXPECT_TRUE(mine.output.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::equal(mine.input, x));

  const at::Tensor dy = random_values(x.sizes(), 5).to(c.type),
                   around = random_values(x.sizes(), 6).to(c.type);
  ((mine.output * dy).sum() + (mine.input * around).sum()).backward();
  ((expected * dy.to(at::kDouble)).sum() + (x2 * around.to(at::kDouble)).sum()).backward();
  EXPECT_LT(relative_error(x.grad(), x2.grad()), allowed(c));
  if (c.adds) {
    EXPECT_LT(relative_error(added.grad(), added2.grad()), 10 * allowed(c));
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, GroupNormOfOurOwn,
                         testing::Values(Case{1, 32, 8, 8, 8, 0, false, false, at::kFloat},
                                         Case{2, 320, 32, 9, 7, 0, true, false, at::kFloat},
                                         Case{2, 320, 32, 9, 7, 0, true, true, at::kFloat},
                                         Case{1, 48, 4, 33, 31, 3, true, true, at::kFloat},
                                         Case{3, 24, 3, 1, 1, 0, false, true, at::kFloat},
                                         Case{1, 5, 1, 3, 2, 10, true, false, at::kFloat},
                                         Case{1, 320, 32, 64, 64, 100, true, false, at::kFloat},
                                         Case{1, 320, 32, 8, 8, 100, false, false, at::kFloat},
                                         Case{2, 320, 32, 9, 7, 0, true, true, at::kBFloat16},
                                         Case{1, 40, 8, 16, 16, 2, false, false, at::kBFloat16}));

TEST(GroupNormOfOurOwn, GivesTheSameBytesOnAnyNumberOfThreads) {
  const Case c{2, 64, 32, 40, 40, 0, true, false, at::kFloat};
  const at::Tensor weight = random_values({c.channels}, 3), bias = random_values({c.channels}, 4);
  const auto both_ways = [&](int threads) {
    at::set_num_threads(threads);
    const at::Tensor x = leaf({c.batch, c.channels, c.height, c.width}, 1, c);
    const at::Tensor added = leaf({c.batch, c.channels}, 2, c);
    const at::Tensor y = group_norm(x, added, {weight, bias, c.groups, 1e-5, c.then_silu}).output;
    y.backward(random_values(y.sizes(), 5));
    return std::array{y.detach(), x.grad(), added.grad()};
  };
  const int before = at::get_num_threads();
  const auto one = both_ways(1), two = both_ways(2), three = both_ways(3);
  at::set_num_threads(before);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(at::equal(one[i], two[i])) << i;
    EXPECT_TRUE(at::equal(one[i], three[i])) << i;
  }
}

TEST(GroupNormOfOurOwn, RefusesToAddWhatIsNotOneRowPerSample) {
  EXPECT_THROW(
      group_norm(at::ones({2, 8, 2, 2}), at::ones({1, 8}), {at::ones({8}), at::zeros({8}), 2, 1e-5, true}),
      c10::Error);
}

TEST(GroupNormOfOurOwn, TakesGradientsOfTheWayAroundAloneAndOfWhatIsAddedAlone) {
  const FrozenGroupNorm norm{at::ones({8}), at::zeros({8}), 2, 1e-5, true};
  const at::Tensor x = random_values({1, 8, 2, 2}, 1).set_requires_grad(true);
  group_norm(x, {}, norm).input.sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), at::ones({1, 8, 2, 2})));
  const at::Tensor added = random_values({1, 8}, 2).set_requires_grad(true);
  const at::Tensor dy = random_values({1, 8, 1, 1}, 3).expand({1, 8, 2, 2});  // without memory of its own
  group_norm(x.detach(), added, norm).output.backward(dy);
  EXPECT_GT(added.grad().abs().max().item<float>(), 0);
}

TEST(GroupNormOfOurOwn, PassesNanOnAndOnlyWithinItsGroup) {
  at::Tensor x = random_values({1, 8, 2, 2}, 1);
  x[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor y = group_norm(x, {}, {at::ones({8}), at::zeros({8}), 2, 1e-5, true}).output;
  EXPECT_TRUE(y.slice(1, 0, 4).isnan().all().item<bool>());
  EXPECT_TRUE(y.slice(1, 4, 8).isfinite().all().item<bool>());
}

}  // namespace
}  // namespace sdlora::model::kernels
