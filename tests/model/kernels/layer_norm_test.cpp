#include "model/kernels/layer_norm.h"

#include <limits>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"
#include "tests/support/relative_error.h"

namespace sdlora::model::kernels {
namespace {

struct TokensCase {
  int64_t batch, tokens, channels;
  double offset;  // of all values: a mean far from 0
  bool adds;
  at::ScalarType type;
};

class LayerNormOfOurOwn : public testing::TestWithParam<TokensCase> {};

TEST_P(LayerNormOfOurOwn, ComputesWhatAtenComputesInDoubleBothWays) {
  const TokensCase c = GetParam();
  const double allowed = c.type == at::kFloat ? 2e-6 * (1 + c.offset) : 8e-3;
  const std::vector<int64_t> shape{c.batch, c.tokens, c.channels};
  const auto values = [&](uint64_t seed) { return random_values(shape, seed).to(c.type); };
  const at::Tensor x = (values(1) + c.offset).set_requires_grad(true);
  const at::Tensor added = c.adds ? values(2).set_requires_grad(true) : at::Tensor();
  const at::Tensor weight = random_values({c.channels}, 3).to(c.type),
                   bias = random_values({c.channels}, 4).to(c.type);
  const Normalized mine = layer_norm(x, added, weight, bias, 1e-5);

  const at::Tensor sum =
      (c.adds ? x.detach() + added.detach() : x.detach()).to(at::kDouble).set_requires_grad(true);
  const at::Tensor expected =
      at::layer_norm(sum, {c.channels}, weight.to(at::kDouble), bias.to(at::kDouble), 1e-5);
  EXPECT_TRUE(at::equal(mine.input.to(at::kDouble), sum));
  EXPECT_LT(relative_error(mine.output, expected), allowed);

  const at::Tensor dy = values(5), around = values(6);
  ((mine.output * dy).sum() + (mine.input * around).sum()).backward();
  ((expected * dy.to(at::kDouble)).sum() + (sum * around.to(at::kDouble)).sum()).backward();
  EXPECT_LT(relative_error(x.grad(), sum.grad()), allowed);
  if (c.adds) {
    EXPECT_TRUE(at::equal(added.grad(), x.grad()));
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, LayerNormOfOurOwn,
                         testing::Values(TokensCase{1, 64, 320, 0, false, at::kFloat},
                                         TokensCase{2, 77, 48, 0, true, at::kFloat},
                                         TokensCase{1, 5, 7, 4, true, at::kFloat},
                                         TokensCase{3, 1, 1280, 1, false, at::kFloat},
                                         TokensCase{2, 77, 48, 0, true, at::kBFloat16},
                                         TokensCase{1, 33, 320, 1, false, at::kBFloat16}));

TEST(LayerNormOfOurOwn, LeavesTheWayAroundAloneWhenNothingDependsOnTheResult) {
  const at::Tensor x = random_values({4, 8}, 1).set_requires_grad(true);
  layer_norm(x, {}, at::ones({8}), at::zeros({8}), 1e-5).input.sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), at::ones({4, 8})));
}

TEST(LayerNormOfOurOwn, PassesNanOnAndOnlyWithinItsRow) {
  const at::Tensor x = random_values({2, 8}, 1);
  x[0][3] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor y = layer_norm(x, {}, at::ones({8}), at::zeros({8}), 1e-5).output;
  EXPECT_TRUE(y[0].isnan().all().item<bool>());
  EXPECT_TRUE(y[1].isfinite().all().item<bool>());
}

}  // namespace
}  // namespace sdlora::model::kernels
