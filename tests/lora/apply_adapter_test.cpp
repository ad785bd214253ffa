#include <cstdlib>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include "common/error.h"
#include "common/seeds.h"
#include "lora/adapter_file.h"
#include "model/model_source.h"
#include "tests/support/error_of.h"

namespace sdlora::lora {
namespace {

using testing::HasSubstr;

const std::string kQueryOfTheMiddle = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";

struct TinyUnet {
  c10::NoGradGuard no_gradients;
  model::UNet unet = model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_unet({});

  at::Tensor predict() const {
    const int64_t width = unet.config().levels.front().context_channels;
    return unet.forward(at::randn({1, 4, 8, 8}, generator_for(1), at::kFloat), at::tensor({500}, at::kLong),
                        at::randn({1, 77, width}, generator_for(2), at::kFloat));
  }

  LowRankPair pair_for(const std::string& wanted, double alpha) {
    LowRankPair pair{.alpha = alpha, .tensor_names = {wanted + ".A", wanted + ".B"}};
    unet.visit_projections([&](const std::string& path, model::ProjectionSlot& slot) {
      if (path != wanted) return;
      pair.a = at::randn({2, slot->in_features()}, generator_for(3), at::kFloat);
      pair.b = at::randn({slot->out_features(), 2}, generator_for(4), at::kFloat);
    });
    return pair;
  }
};

AdapterFile file_of(LowRankPairs pairs) {
  AdapterFile adapter{.file = "adapter.safetensors", .unet = std::move(pairs)};
  adapter.tensor_count = 2 * static_cast<int64_t>(adapter.unet.size());
  return adapter;
}

std::string refusal(model::UNet& unet, const AdapterFile& adapter) {
  return message_of_error(ExitCode::kBadData, [&] { apply_adapter(unet, adapter, 1, {}); });
}

TEST(AppliedAdapter, ChangesThePredictionByItsScaleAndStrength) {
  TinyUnet plain, whole, halves;
  const at::Tensor before = plain.predict();
  apply_adapter(whole.unet, file_of({{kQueryOfTheMiddle, whole.pair_for(kQueryOfTheMiddle, 2)}}), 0.5, {});
  apply_adapter(halves.unet, file_of({{kQueryOfTheMiddle, halves.pair_for(kQueryOfTheMiddle, 1)}}), 1, {});
  EXPECT_FALSE(at::equal(before, whole.predict()));
  EXPECT_TRUE(at::equal(whole.predict(), halves.predict()));
}

TEST(AppliedAdapter, LeavesTheBasesVeryBytesWithStrengthZero) {
  TinyUnet plain, zero;
  const Applied applied =
      apply_adapter(zero.unet, file_of({{kQueryOfTheMiddle, zero.pair_for(kQueryOfTheMiddle, 2)}}), 0, {});
  EXPECT_EQ(applied.tensor_count, 2);
  EXPECT_TRUE(at::equal(plain.predict(), zero.predict()));
}

TEST(AppliedAdapter, CountsAndNamesWhatItLeavesOut) {
  TinyUnet tiny;
  AdapterFile adapter = file_of({{kQueryOfTheMiddle, tiny.pair_for(kQueryOfTheMiddle, 1)},
                                 {"mid_block.resnets.0.conv1",
                                  {.a = at::zeros({2, 4, 3, 3}),
                                   .b = at::zeros({4, 2, 1, 1}),
                                   .alpha = 1,
                                   .tensor_names = {"conv.A", "conv.B"}}},
                                 {"nowhere",
                                  {.a = at::zeros({2, 4}),
                                   .b = at::zeros({4, 2}),
                                   .alpha = 1,
                                   .tensor_names = {"nowhere.A", "nowhere.B"}}}});
  adapter.text_encoder = {
      {"text_model", {.a = at::zeros({2, 4}), .b = at::zeros({4, 2}), .tensor_names = {"te.A", "te.B"}}}};
  adapter.left_out = {{"DoRA", {"dora"}}};
  adapter.tensor_count += 3;
  const Applied applied = apply_adapter(tiny.unet, adapter, 1, {});
  EXPECT_EQ(applied.tensor_count, 2);
  EXPECT_EQ(applied.file_tensor_count, 9);
  EXPECT_EQ(describe(applied.left_out),
            "1 of DoRA (dora); 2 of convolutions over several pixels (conv.A, conv.B); "
            "2 of modules that are not there or take no adapter (nowhere.A, nowhere.B); "
            "2 of the text encoder (te.A, te.B)");
}

TEST(AppliedAdapter, FailsWhenNoTensorFits) {
  TinyUnet tiny;
  AdapterFile adapter{.file = "adapter.safetensors", .left_out = {{"LoHa", {"some.hada_w1_a"}}}};
  adapter.tensor_count = 1;
  EXPECT_THAT(refusal(tiny.unet, adapter), HasSubstr("1 of LoHa (some.hada_w1_a)"));
}

TEST(AppliedAdapter, NamesTheTensorsAndBothShapesOfAModuleThatDiffers) {
  TinyUnet tiny;
  LowRankPair pair = tiny.pair_for(kQueryOfTheMiddle, 1);
  const int64_t in = pair.a.size(1);
  pair.a = at::zeros({2, in + 1});
  const std::string text = refusal(tiny.unet, file_of({{kQueryOfTheMiddle, pair}}));
  EXPECT_THAT(text, HasSubstr(kQueryOfTheMiddle + ".A"));
  EXPECT_THAT(text, HasSubstr("A [2, " + std::to_string(in) + "]"));
  EXPECT_THAT(text, HasSubstr("A [2, " + std::to_string(in + 1) + "]"));
}

}  // namespace
}  // namespace sdlora::lora
