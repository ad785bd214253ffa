#include "model/kernels/blocked_attention.h"

#include <bit>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/layers/attention.h"
#include "tests/support/random_values.h"

namespace sdlora::model::kernels {
namespace {

bool this_cpu_has(int lanes) {
  return lanes == 32   ? __builtin_cpu_supports("avx512bf16")
         : lanes == 16 ? __builtin_cpu_supports("avx512f")
                       : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

at::ScalarType dtype_of(int lanes) {
  return lanes == 32 ? at::kBFloat16 : at::kFloat;
}

double relative_error(const at::Tensor& ours, const at::Tensor& reference) {
  return ((ours.to(at::kDouble) - reference).norm() / reference.norm()).item<double>();
}

struct AttentionShape {
  int64_t batch, queries, keys, heads, head_channels;
};

// Each width of vectors is code of its own; a CPU that lacks one skips it.
class BlockedAttention : public testing::TestWithParam<std::tuple<int, AttentionShape>> {
 protected:
  void SetUp() override {
    if (!this_cpu_has(lanes_)) GTEST_SKIP() << "this CPU has no vectors of " << lanes_ << " numbers";
  }

  const int lanes_ = std::get<0>(GetParam());
  const AttentionShape shape_ = std::get<1>(GetParam());
};

TEST_P(BlockedAttention, IsAtensAttentionInDoublePrecisionForwardAndBackward) {
  const AttentionShape shape = shape_;
  const int64_t channels = shape.heads * shape.head_channels;
  const auto input = [&](int64_t rows, uint64_t seed) {
    return random_values({shape.batch, rows, channels}, seed)
        .mul_(2)
        .to(dtype_of(lanes_))
        .set_requires_grad(true);
  };
  const at::Tensor q = input(shape.queries, 1), k = input(shape.keys, 2), v = input(shape.keys, 3);
  const at::Tensor dout = random_values(q.sizes(), 4).to(dtype_of(lanes_));
  const at::Tensor out = blocked_attention(q, k, v, shape.heads, lanes_);
  out.backward(dout);

  const auto exact = [](const at::Tensor& x) { return x.detach().to(at::kDouble).set_requires_grad(true); };
  const at::Tensor q2 = exact(q), k2 = exact(k), v2 = exact(v);
  const at::Tensor expected = scaled_dot_product_attention(q2, k2, v2, shape.heads);
  expected.backward(dout.to(at::kDouble));
  const double rounding = lanes_ == 32 ? 4e-3 : 2e-6;  // of the result; bfloat16 has 8 bits
  EXPECT_LT(relative_error(out.detach(), expected.detach()), rounding);
  EXPECT_LT(relative_error(q.grad(), q2.grad()), 2.5 * rounding);
  EXPECT_LT(relative_error(k.grad(), k2.grad()), 2.5 * rounding);
  EXPECT_LT(relative_error(v.grad(), v2.grad()), 2.5 * rounding);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, BlockedAttention,
    testing::Combine(testing::Values(8, 16, 32),
                     testing::Values(AttentionShape{1, 256, 256, 8, 40}, AttentionShape{2, 100, 77, 2, 80},
                                     AttentionShape{1, 65, 300, 3, 12}, AttentionShape{1, 1, 2, 1, 5},
                                     AttentionShape{1, 64, 64, 2, 160})));

// The widths that this CPU has; empty on a CPU without AVX2.
std::vector<int> widths_here() {
  std::vector<int> widths;
  for (const int lanes : {8, 16, 32})
    if (this_cpu_has(lanes)) widths.push_back(lanes);
  return widths;
}

TEST(BlockedAttentionOfViews, TakesRowsThatLieApart) {
  const at::Tensor qkv = random_values({2, 50, 3 * 32}, 1);
  for (const int lanes : widths_here()) {
    const auto parts = qkv.to(dtype_of(lanes)).chunk(3, -1);
    const at::Tensor of_views = blocked_attention(parts[0], parts[1], parts[2], 4, lanes);
    const at::Tensor of_copies =
        blocked_attention(parts[0].contiguous(), parts[1].contiguous(), parts[2].contiguous(), 4, lanes);
    EXPECT_TRUE(at::equal(of_views, of_copies)) << lanes << " lanes";
  }
}

TEST(BlockedAttentionOfBadNumbers, ShowsThemInTheirRows) {
  const at::Tensor q = random_values({1, 40, 16}, 1), k = random_values({1, 60, 16}, 2);
  q[0][7][3] = std::bit_cast<float>(0xFFFFFFFFU);  // a NaN whose lowest bits are set
  k[0][5][9] = std::numeric_limits<float>::infinity();
  for (const int lanes : widths_here()) {
    const auto typed = [&](const at::Tensor& x) { return x.to(dtype_of(lanes)); };
    const at::Tensor out =
        blocked_attention(typed(q), typed(k), typed(random_values({1, 60, 16}, 3)), 2, lanes);
    EXPECT_FALSE(at::isfinite(out[0][7]).slice(0, 0, 8).any().item<bool>()) << "head 0 of query 7";
    EXPECT_TRUE(at::isfinite(out[0][6]).slice(0, 0, 8).all().item<bool>()) << "head 0 of query 6";
    EXPECT_TRUE(at::isnan(out[0]).slice(1, 8, 16).any().item<bool>()) << "head 1 saw an infinite key";
  }
}

}  // namespace
}  // namespace sdlora::model::kernels
