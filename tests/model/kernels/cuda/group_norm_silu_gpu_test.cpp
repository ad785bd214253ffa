// The group normalisation kernels on a GPU. Where there is none, skipped, with that as the reason.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/kernels/cuda/group_norm_silu.h"
#include "model/layers/normalization.h"
#include "tests/model/kernels/cuda/gpu_test.h"
#include "tests/model/kernels/cuda/group_norm_reference.h"
#include "tests/model/kernels/cuda/kernel_cases.h"

namespace sdlora::model::kernels::cuda {
namespace {

constexpr double kEps = 1e-5;

class GroupNormOnAGpu : public GpuTest {
 protected:
  // The module as the UNet has it.
  static GroupNorm layer_of(const GroupNormCase& c, at::ScalarType type) {
    GroupNorm layer;
    layer.weight = random_values({c.channels}, 2, type).to(at::kCUDA);
    layer.bias = random_values({c.channels}, 3, type).to(at::kCUDA);
    layer.group_count = c.groups;
    layer.eps = kEps;
    return layer;
  }

  // Channels last, `gap` values after an address that suits whole packs.
  static at::Tensor on_the_gpu(const at::Tensor& values, int64_t gap = 0) {
    const at::Tensor memory = at::empty({values.numel() + gap}, values.options().device(at::kCUDA));
    return memory.narrow(0, gap, values.numel())
        .view({values.size(0), values.size(2), values.size(3), values.size(1)})
        .copy_(values.permute({0, 2, 3, 1}))
        .permute({0, 3, 1, 2});
  }

  static void expect_the_reference(const GroupNormCase& c, at::ScalarType type, bool then_silu,
                                   int64_t gap = 0) {
    const std::vector<int64_t> sizes{c.batch, c.channels, c.height, c.width};
    const at::Tensor host_x = random_values(sizes, 1, at::kFloat).mul(2).to(type);
    const at::Tensor host_dy = random_values(sizes, 4, type);
    const GroupNorm layer = layer_of(c, type);
    const at::Tensor x = on_the_gpu(host_x, gap).set_requires_grad(true), dy = on_the_gpu(host_dy, gap);
    ASSERT_TRUE(takes_group_norm(x, layer.weight)) << c;
    const at::Tensor y = then_silu ? layer.forward_then_silu(x) : layer.forward(x);
    const at::Tensor again = then_silu ? layer.forward_then_silu(x) : layer.forward(x);
    EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast)) << c;
    EXPECT_TRUE(at::equal(y, again)) << c << ": not the same bytes twice";
    const GroupNormReference reference{.x = host_x.to(at::kDouble),
                                       .weight = layer.weight.to(at::kCPU, at::kDouble),
                                       .bias = layer.bias.to(at::kCPU, at::kDouble),
                                       .group_count = c.groups,
                                       .eps = kEps,
                                       .then_silu = then_silu};
    EXPECT_TRUE(are_close(y, reference.output(), type)) << c;
    y.backward(dy);
    const at::Tensor dx = x.grad().clone();
    EXPECT_TRUE(are_close(dx, reference.input_gradient(host_dy.to(at::kDouble)), type, 1e-4)) << c;
    x.mutable_grad().zero_();
    again.backward(dy);
    EXPECT_TRUE(at::equal(dx, x.grad())) << c << ": not the same gradient twice";
  }
};

TEST_F(GroupNormOnAGpu, IsTheReference) {
  for (const GroupNormCase& c : group_norm_cases())
    for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16})
      for (const bool then_silu : {false, true}) expect_the_reference(c, type, then_silu);
}

TEST_F(GroupNormOnAGpu, IsTheReferenceAtStableDiffusionsSizes) {
  for (const GroupNormCase& c : {GroupNormCase{2, 320, 64, 64, 32}, GroupNormCase{1, 2560, 8, 8, 32}})
    for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16})
      expect_the_reference(c, type, /*then_silu=*/true);
}

TEST_F(GroupNormOnAGpu, TakesAddressesThatSuitNoPack) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16})
    expect_the_reference({2, 64, 8, 8, 32}, type, /*then_silu=*/true, /*gap=*/1);
}

}  // namespace
}  // namespace sdlora::model::kernels::cuda
