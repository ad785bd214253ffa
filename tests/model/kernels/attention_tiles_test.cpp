#include <cmath>
#include <limits>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/kernels/cpu_kernels.h"
#include "model/kernels/flushed_denormals.h"
#include "model/layers/attention.h"
#include "tests/model/kernels/emulated_attention_tile.h"
#include "tests/support/random_values.h"

namespace sdlora::model::kernels {
namespace {

using Tile = AttentionTile<BFloat16Bits>;

BFloat16Bits* bits_of(const at::Tensor& x) {
  return static_cast<BFloat16Bits*>(x.data_ptr());
}

// The result and the gradients of q, k and v.
std::vector<at::Tensor> attend(const Tile& tile, const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v, const at::Tensor& dout) {
  const int64_t channels = q.size(1);
  const AttentionHead<BFloat16Bits> head{.queries = q.size(0),
                                         .keys = k.size(0),
                                         .channels = channels,
                                         .q = bits_of(q),
                                         .k = bits_of(k),
                                         .v = bits_of(v),
                                         .q_stride = channels,
                                         .kv_stride = channels,
                                         .scale = 1 / std::sqrt(static_cast<float>(channels))};
  // What is read before it is written would show.
  const at::Tensor scratch =
      at::full({tile.scratch_floats(head)}, std::numeric_limits<float>::quiet_NaN(), at::kFloat);
  const FlushedDenormals flushed;
  const at::Tensor out = at::empty_like(q), dq = at::empty_like(q), dk = at::empty_like(k),
                   dv = at::empty_like(v);
  const at::Tensor log_sums = at::empty({q.size(0)}, at::kFloat);
  tile.forward(head, bits_of(out), channels, log_sums.data_ptr<float>(), scratch.data_ptr<float>());
  scratch.fill_(std::numeric_limits<float>::quiet_NaN());
  tile.backward(head,
                {.out = bits_of(out),
                 .dout = bits_of(dout),
                 .log_sums = log_sums.data_ptr<float>(),
                 .dq = bits_of(dq),
                 .dk = bits_of(dk),
                 .dv = bits_of(dv),
                 .out_stride = channels,
                 .dout_stride = channels,
                 .dq_stride = channels,
                 .dkv_stride = channels},
                scratch.data_ptr<float>());
  return {out, dq, dk, dv};
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor exact = b.to(at::kDouble);
  return ((a.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
}

struct HeadShape {
  int64_t queries, keys, channels;
};

class AttentionTiles : public testing::TestWithParam<HeadShape> {
 protected:
  void SetUp() override {
    if (!can_run(AttentionKernel::kAvx512Bf16)) GTEST_SKIP() << "this CPU has no AVX-512 with BF16";
  }

  at::Tensor input(int64_t rows, uint64_t seed) const {
    return random_values({rows, GetParam().channels}, seed).mul_(2).to(at::kBFloat16);
  }

  const at::Tensor q_ = input(GetParam().queries, 1), k_ = input(GetParam().keys, 2),
                   v_ = input(GetParam().keys, 3), dout_ = input(GetParam().queries, 4);
};

TEST_P(AttentionTiles, EmulatedGiveAtensAttentionInDoublePrecision) {
  const auto ours = attend(attention_tile_of_emulated_tiles(), q_, k_, v_, dout_);
  const auto exact = [](const at::Tensor& x) {
    return x.to(at::kDouble).unsqueeze(0).set_requires_grad(true);
  };
  const at::Tensor q = exact(q_), k = exact(k_), v = exact(v_);
  const at::Tensor out = scaled_dot_product_attention(q, k, v, /*head_count=*/1);
  out.backward(dout_.to(at::kDouble).unsqueeze(0));
  EXPECT_LT(relative_difference(ours[0], out.detach()[0]), 4e-3);
  EXPECT_LT(relative_difference(ours[1], q.grad()[0]), 1e-2);
  EXPECT_LT(relative_difference(ours[2], k.grad()[0]), 1e-2);
  EXPECT_LT(relative_difference(ours[3], v.grad()[0]), 1e-2);
}

TEST_P(AttentionTiles, OfTheCpuGiveWhatEmulatedOnesGive) {
  if (!can_run(AttentionKernel::kAmx)) GTEST_SKIP() << "this CPU has no AMX";
  const auto emulated = attend(attention_tile_of_emulated_tiles(), q_, k_, v_, dout_);
  const auto real = attend(attention_tile_of_amx(), q_, k_, v_, dout_);
  // A sum that is rounded otherwise may round to the neighbouring bfloat16.
  for (size_t i = 0; i < real.size(); ++i) EXPECT_LT(relative_difference(real[i], emulated[i]), 5e-4) << i;
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTiles,
                         testing::Values(HeadShape{96, 96, 40}, HeadShape{40, 77, 80}, HeadShape{33, 300, 12},
                                         HeadShape{1, 2, 5}, HeadShape{64, 64, 160}, HeadShape{50, 270, 64},
                                         HeadShape{530, 150, 24}, HeadShape{2, 3, 1},
                                         HeadShape{17, 129, 33}));

}  // namespace
}  // namespace sdlora::model::kernels
