// What the threads of the group normalisation kernels do, done thread by thread on the CPU.
#include <array>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/kernels/cuda/group_norm_backward.h"
#include "tests/model/kernels/cuda/group_norm_reference.h"
#include "tests/model/kernels/cuda/kernel_cases.h"

namespace sdlora::model::kernels::cuda {
namespace {

constexpr double kEpsOfThreads = 1e-5;

// As a block merges what its threads have.
template <typename Sums, typename Share>
Sums merged_in_block(const Share& share_of) {
  std::array<Sums, kMergeThreads> all;
  for (int thread = 0; thread < kMergeThreads; ++thread) all[static_cast<size_t>(thread)] = share_of(thread);
  for (size_t half = kMergeThreads / 2; half > 0; half /= 2)
    for (size_t thread = 0; thread < half; ++thread) all[thread] = merged(all[thread], all[thread + half]);
  return all[0];
}

template <typename T>
const T* values_of(const at::Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

// A GPU of one thread.
template <typename T, int kWidth, bool kThenSilu>
struct ThreadByThread {
  GroupNormShape shape;
  at::Tensor x, weight, bias;
  std::vector<float> mean, rstd;

  template <typename Body>
  void for_threads(int strip_rows, const Body& body) const {
    const int count = shape.batch * strip_count(shape, strip_rows) * (shape.channels / kWidth);
    for (int thread = 0; thread < count; ++thread) body(static_cast<unsigned>(thread));
  }

  at::Tensor partial() const { return at::full({2 * partial_half(shape)}, NAN, at::kFloat); }

  at::Tensor forward() {
    const at::Tensor sums = partial();
    for_threads(kSummedRows, [&](unsigned thread) {
      measure_strip<T, kWidth>(shape, values_of<T>(x), sums.mutable_data_ptr<float>(), thread);
    });
    for (int group = 0; group < shape.batch * shape.groups; ++group) {
      const Moments all = merged_in_block<Moments>(
          [&](int thread) { return merge_moments(shape, sums.const_data_ptr<float>(), group, thread); });
      mean.push_back(all.mean);
      rstd.push_back(rstd_of(all, static_cast<float>(kEpsOfThreads)));
    }
    at::Tensor y = at::full_like(x, NAN);
    for_threads(kComputedRows, [&](unsigned thread) {
      normalize_strip<T, kWidth, kThenSilu>(shape, values_of<T>(x), mean.data(), rstd.data(),
                                            values_of<T>(weight), values_of<T>(bias),
                                            static_cast<T*>(y.mutable_data_ptr()), thread);
    });
    return y;
  }

  at::Tensor input_gradient(const at::Tensor& dy) const {
    const at::Tensor sums = partial();
    for_threads(kSummedRows, [&](unsigned thread) {
      sum_gradient_strip<T, kWidth, kThenSilu>(shape, values_of<T>(x), mean.data(), rstd.data(),
                                               values_of<T>(weight), values_of<T>(bias), values_of<T>(dy),
                                               sums.mutable_data_ptr<float>(), thread);
    });
    std::vector<float> means_of_g, means_of_g_x_hat;
    for (int group = 0; group < shape.batch * shape.groups; ++group) {
      const auto all = merged_in_block<GradientSums>(
          [&](int thread) { return merge_gradients(shape, sums.const_data_ptr<float>(), group, thread); });
      means_of_g.push_back(all.g / values_of_group(shape));
      means_of_g_x_hat.push_back(all.g_x_hat / values_of_group(shape));
    }
    at::Tensor dx = at::full_like(x, NAN);
    for_threads(kComputedRows, [&](unsigned thread) {
      differentiate_strip<T, kWidth, kThenSilu>(shape, values_of<T>(x), mean.data(), rstd.data(),
                                                values_of<T>(weight), values_of<T>(bias), values_of<T>(dy),
                                                means_of_g.data(), means_of_g_x_hat.data(),
                                                static_cast<T*>(dx.mutable_data_ptr()), thread);
    });
    return dx;
  }
};

struct Problem {
  GroupNormShape shape;
  at::Tensor x, weight, bias, dy;  // x and dy channels last
  GroupNormReference reference;
};

Problem problem_of(const GroupNormCase& c, at::ScalarType type, bool then_silu, double offset = 0) {
  const std::vector<int64_t> sizes{c.batch, c.channels, c.height, c.width};
  Problem problem{.shape = {.batch = static_cast<int>(c.batch),
                            .rows = static_cast<int>(c.height * c.width),
                            .channels = static_cast<int>(c.channels),
                            .groups = static_cast<int>(c.groups)},
                  .x = (random_values(sizes, 1, at::kFloat) * 2 + offset)
                           .to(type)
                           .contiguous(at::MemoryFormat::ChannelsLast),
                  .weight = random_values({c.channels}, 2, type),
                  .bias = random_values({c.channels}, 3, type),
                  .dy = random_values(sizes, 4, type).contiguous(at::MemoryFormat::ChannelsLast),
                  .reference = {}};
  problem.reference = {.x = problem.x.to(at::kDouble).contiguous(),
                       .weight = problem.weight.to(at::kDouble),
                       .bias = problem.bias.to(at::kDouble),
                       .group_count = c.groups,
                       .eps = kEpsOfThreads,
                       .then_silu = then_silu};
  return problem;
}

template <typename T, int kWidth, bool kThenSilu>
void expect_group_norm_reference(const GroupNormCase& c, at::ScalarType type) {
  if (c.channels % kWidth != 0) return;
  const Problem p = problem_of(c, type, kThenSilu);
  ThreadByThread<T, kWidth, kThenSilu> gpu{p.shape, p.x, p.weight, p.bias, {}, {}};
  EXPECT_TRUE(are_close(gpu.forward(), p.reference.output(), type)) << c << ", packs of " << kWidth;
  EXPECT_TRUE(
      are_close(gpu.input_gradient(p.dy), p.reference.input_gradient(p.dy.to(at::kDouble)), type, 1e-4))
      << c << ", packs of " << kWidth;
}

template <typename T>
void expect_group_norm_reference(at::ScalarType type) {
  for (const GroupNormCase& c : group_norm_cases()) {
    expect_group_norm_reference<T, kFullWidth<T>, true>(c, type);
    expect_group_norm_reference<T, kFullWidth<T>, false>(c, type);
    expect_group_norm_reference<T, 1, true>(c, type);
    expect_group_norm_reference<T, 1, false>(c, type);
  }
}

TEST(GroupNormReference, IsWhatAutogradSays) {
  for (const bool then_silu : {false, true}) {
    const Problem p = problem_of({2, 12, 5, 7, 3}, at::kDouble, then_silu);
    const at::Tensor x = p.x.detach().clone().set_requires_grad(true);
    const at::Tensor h = at::group_norm(x, 3, p.weight, p.bias, kEpsOfThreads);
    const at::Tensor y = then_silu ? at::silu(h) : h;
    y.backward(p.dy);
    EXPECT_TRUE(at::allclose(p.reference.output(), y, 1e-12, 1e-12));
    EXPECT_TRUE(at::allclose(p.reference.input_gradient(p.dy), x.grad(), 1e-12, 1e-12));
  }
}

TEST(GroupNormThreads, ComputeTheReferenceInFp32) {
  expect_group_norm_reference<float>(at::kFloat);
}

TEST(GroupNormThreads, ComputeTheReferenceInFp16) {
  expect_group_norm_reference<__half>(at::kHalf);
}

TEST(GroupNormThreads, ComputeTheReferenceInBf16) {
  expect_group_norm_reference<__nv_bfloat16>(at::kBFloat16);
}

// Squares of the values themselves would leave no digit of the variance.
TEST(GroupNormThreads, KeepTheVarianceOfValuesFarFromZero) {
  const Problem p = problem_of({1, 32, 16, 16, 4}, at::kFloat, /*then_silu=*/true, /*offset=*/3000);
  ThreadByThread<float, 4, true> gpu{p.shape, p.x, p.weight, p.bias, {}, {}};
  EXPECT_TRUE(are_close(gpu.forward(), p.reference.output(), at::kFloat, 1e-3));
}

TEST(GroupNormThreads, LetNoNanPass) {
  Problem p = problem_of({1, 8, 8, 8, 2}, at::kFloat, /*then_silu=*/true);
  p.x[0][1][3][3] = NAN;
  ThreadByThread<float, 4, true> gpu{p.shape, p.x, p.weight, p.bias, {}, {}};
  const at::Tensor is_nan = gpu.forward().isnan();
  EXPECT_TRUE(is_nan.narrow(1, 0, 4).all().item<bool>());   // the whole group
  EXPECT_FALSE(is_nan.narrow(1, 4, 4).any().item<bool>());  // and no other
}

}  // namespace
}  // namespace sdlora::model::kernels::cuda
