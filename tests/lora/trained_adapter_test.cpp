#include "lora/trained_adapter.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/atomic_file.h"
#include "common/seeds.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::lora {
namespace {

const std::string kQuery = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
const std::string kKeyOfCaptions = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k";
const std::string kKernel = "down_blocks.0.resnets.0.conv1";
const std::string kTextProjection = "text_model.encoder.layers.0.self_attn.q_proj";

at::Tensor drawn(at::IntArrayRef shape) {
  return at::randn(shape, generator_for(2), at::kFloat);
}

TrainedAdapter trained_adapter() {
  TrainedAdapter adapter{
      .config = {.rank = 4, .alpha = 8, .targets = "full"}, .other_alphas = {{kKernel, 3}}, .step = 7};
  const auto add = [&](const std::string& path, at::IntArrayRef a, at::IntArrayRef b) {
    adapter.tensors.emplace(path + ".lora_A", drawn(a));
    adapter.tensors.emplace(path + ".lora_B", drawn(b));
  };
  add(kQuery, {4, 320}, {320, 4});
  add(kKeyOfCaptions, {4, 768}, {320, 4});
  add(kKernel, {2, 320, 3, 3}, {320, 2, 1, 1});
  add(kTextProjection, {4, 768}, {768, 4});
  return adapter;
}

void expect_equal_pair(const LowRankPair& seen, const LowRankPair& expected) {
  EXPECT_TRUE(at::equal(seen.a, expected.a));
  EXPECT_TRUE(at::equal(seen.b, expected.b));
  EXPECT_EQ(seen.alpha, expected.alpha);
}

void expect_equal_pairs(const LowRankPairs& seen, const LowRankPairs& expected) {
  ASSERT_EQ(seen.size(), expected.size());
  for (const auto& [path, pair] : expected) expect_equal_pair(seen.at(path), pair);
}

TEST(TrainedAdapter, IsWhatWouldBeReadOfItsFile) {
  const TemporaryFolder folder;
  write_adapter(folder / "lora_weights.pt", trained_adapter());
  const AdapterFile read = read_adapter(folder / "lora_weights.pt");
  const AdapterFile made = as_adapter_file(trained_adapter(), folder / "lora_weights.pt");
  ASSERT_EQ(made.unet.size(), 3);
  ASSERT_EQ(made.text_encoder.size(), 1);
  EXPECT_EQ(made.unet.at(kKernel).alpha, 3);
  expect_equal_pairs(read.unet, made.unet);
  expect_equal_pairs(read.text_encoder, made.text_encoder);
  EXPECT_EQ(read.naming, made.naming);
  EXPECT_EQ(read.tensor_count, made.tensor_count);
  EXPECT_EQ(read.context_channels, made.context_channels);
}

TEST(TrainedAdapter, IsReadWithItsMagnitudes) {
  const TemporaryFolder folder;
  TrainedAdapter adapter = trained_adapter();
  for (const std::string& path : {kQuery, kKeyOfCaptions, kKernel, kTextProjection})
    adapter.tensors.emplace(path + ".lora_magnitude_vector",
                            drawn({adapter.tensors.at(path + ".lora_B").size(0)}).abs());
  write_adapter(folder / "lora_weights.pt", adapter);
  const AdapterFile read = read_adapter(folder / "lora_weights.pt");
  const AdapterFile made = as_adapter_file(adapter, folder / "lora_weights.pt");
  EXPECT_TRUE(made.unet.empty() && made.text_encoder.empty());
  ASSERT_EQ(read.doras.size(), made.doras.size());
  for (const auto& [path, dora] : made.doras) {
    expect_equal_pair(read.doras.at(path).pair, dora.pair);
    EXPECT_TRUE(at::equal(read.doras.at(path).magnitude, dora.magnitude)) << path;
  }
}

}  // namespace
}  // namespace sdlora::lora
