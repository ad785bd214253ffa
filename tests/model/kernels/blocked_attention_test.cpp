#include "model/kernels/blocked_attention.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <time.h>

#include "model/layers/attention.h"
#include "tests/support/random_values.h"

namespace sdlora::model::kernels {
namespace {

constexpr AttentionKernel kOwnKernels[] = {AttentionKernel::kAvx2, AttentionKernel::kAvx512,
                                           AttentionKernel::kAvx512Bf16, AttentionKernel::kAmx};

bool takes_bfloat16(AttentionKernel kernel) {
  return kernel == AttentionKernel::kAvx512Bf16 || kernel == AttentionKernel::kAmx;
}

at::ScalarType dtype_of(AttentionKernel kernel) {
  return takes_bfloat16(kernel) ? at::kBFloat16 : at::kFloat;
}

double relative_error(const at::Tensor& ours, const at::Tensor& reference) {
  return ((ours.to(at::kDouble) - reference).norm() / reference.norm()).item<double>();
}

struct AttentionShape {
  int64_t batch, queries, keys, heads, head_channels;
};

// Each is code of its own; a CPU that lacks its instructions skips it.
class BlockedAttention : public testing::TestWithParam<std::tuple<AttentionKernel, AttentionShape>> {
 protected:
  void SetUp() override {
    if (!can_run(kernel_)) GTEST_SKIP() << "this CPU has not what the kernel is written for";
  }

  const AttentionKernel kernel_ = std::get<0>(GetParam());
  const AttentionShape shape_ = std::get<1>(GetParam());
};

TEST_P(BlockedAttention, IsAtensAttentionInDoublePrecisionForwardAndBackward) {
  const AttentionShape shape = shape_;
  const int64_t channels = shape.heads * shape.head_channels;
  const auto input = [&](int64_t rows, uint64_t seed) {
    return random_values({shape.batch, rows, channels}, seed)
        .mul_(2)
        .to(dtype_of(kernel_))
        .set_requires_grad(true);
  };
  const at::Tensor q = input(shape.queries, 1), k = input(shape.keys, 2), v = input(shape.keys, 3);
  const at::Tensor dout = random_values(q.sizes(), 4).to(dtype_of(kernel_));
  const at::Tensor out = blocked_attention(q, k, v, shape.heads, kernel_);
  out.backward(dout);

  const auto exact = [](const at::Tensor& x) { return x.detach().to(at::kDouble).set_requires_grad(true); };
  const at::Tensor q2 = exact(q), k2 = exact(k), v2 = exact(v);
  const at::Tensor expected = scaled_dot_product_attention(q2, k2, v2, shape.heads);
  expected.backward(dout.to(at::kDouble));
  const double rounding = takes_bfloat16(kernel_) ? 4e-3 : 2e-6;  // of the result; bfloat16 has 8 bits
  EXPECT_LT(relative_error(out.detach(), expected.detach()), rounding);
  EXPECT_LT(relative_error(q.grad(), q2.grad()), 2.5 * rounding);
  EXPECT_LT(relative_error(k.grad(), k2.grad()), 2.5 * rounding);
  EXPECT_LT(relative_error(v.grad(), v2.grad()), 2.5 * rounding);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, BlockedAttention,
    testing::Combine(testing::ValuesIn(kOwnKernels),
                     testing::Values(AttentionShape{1, 256, 256, 8, 40}, AttentionShape{2, 100, 77, 2, 80},
                                     AttentionShape{1, 65, 300, 3, 12}, AttentionShape{1, 1, 2, 1, 5},
                                     AttentionShape{1, 64, 64, 2, 160},
                                     AttentionShape{1, 1100, 1090, 1, 40})));  // more than a block of each

std::vector<AttentionKernel> kernels_here() {
  std::vector<AttentionKernel> kernels;
  std::copy_if(std::begin(kOwnKernels), std::end(kOwnKernels), std::back_inserter(kernels), can_run);
  return kernels;
}

TEST(BlockedAttentionOfViews, TakesRowsThatLieApart) {
  const at::Tensor qkv = random_values({2, 50, 3 * 32}, 1);
  for (const AttentionKernel kernel : kernels_here()) {
    const auto parts = qkv.to(dtype_of(kernel)).chunk(3, -1);
    const at::Tensor of_views = blocked_attention(parts[0], parts[1], parts[2], 4, kernel);
    const at::Tensor of_copies =
        blocked_attention(parts[0].contiguous(), parts[1].contiguous(), parts[2].contiguous(), 4, kernel);
    EXPECT_TRUE(at::equal(of_views, of_copies)) << describe({.attention = kernel});
  }
}

TEST(BlockedAttentionOfBadNumbers, ShowsThemInTheirRows) {
  const at::Tensor q = random_values({1, 40, 16}, 1), k = random_values({1, 60, 16}, 2);
  q[0][7][3] = std::bit_cast<float>(0xFFFFFFFFU);  // a NaN whose lowest bits are set
  k[0][5][9] = std::numeric_limits<float>::infinity();
  for (const AttentionKernel kernel : kernels_here()) {
    const auto typed = [&](const at::Tensor& x) { return x.to(dtype_of(kernel)); };
    const at::Tensor out =
        blocked_attention(typed(q), typed(k), typed(random_values({1, 60, 16}, 3)), 2, kernel);
    EXPECT_FALSE(at::isfinite(out[0][7]).slice(0, 0, 8).any().item<bool>()) << "head 0 of query 7";
    EXPECT_TRUE(at::isfinite(out[0][6]).slice(0, 0, 8).all().item<bool>()) << "head 0 of query 6";
    EXPECT_TRUE(at::isnan(out[0]).slice(1, 8, 16).any().item<bool>()) << "head 1 saw an infinite key";
  }
}

// Of this thread, so that what else the machine does counts little.
double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Probabilities next to nothing make denormal products, for each of which an Intel core takes a hundred
// cycles: without mending, sharp scores took ten times as long.
TEST(BlockedAttentionOfSharpScores, IsAsFastAsThatOfSmoothOnes) {
  const auto input = [](int64_t rows, uint64_t seed, double spread) {
    return random_values({1, rows, 8 * 40}, seed).mul_(spread);
  };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  for (const AttentionKernel kernel : kernels_here()) {
    const auto seconds_of = [&](double spread) {
      const auto typed = [&](const at::Tensor& x) { return x.to(dtype_of(kernel)).set_requires_grad(true); };
      const at::Tensor q = typed(input(1024, 1, spread)), k = typed(input(77, 2, spread)),
                       v = typed(input(77, 3, 1));
      const at::Tensor dout = input(1024, 4, 1).to(dtype_of(kernel));
      const double start = cpu_seconds();
      blocked_attention(q, k, v, 8, kernel).backward(dout);
      return cpu_seconds() - start;
    };
    double smooth = 1e9, sharp = 1e9;
    // By turns, the least of each: a shared core changes its speed.
    for (int round = 0; round < 20; ++round) {
      smooth = std::min(smooth, seconds_of(1));
      sharp = std::min(sharp, seconds_of(8));  // scores up to 200 apart
    }
    EXPECT_LT(sharp, 1.3 * smooth) << describe({.attention = kernel});
  }
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace sdlora::model::kernels
