#include "lora/adapter_edits.h"

#include <cstdlib>
#include <optional>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include "common/error.h"
#include "model/model_source.h"
#include "tests/support/error_of.h"
#include "tests/support/random_values.h"

namespace sdlora::lora {
namespace {

using testing::HasSubstr;

const std::string kQueryOfTheMiddle = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";

class AdapterEditsTest : public testing::Test {
 protected:
  at::Tensor predict(const model::WeightEdits* edits, at::ScalarType dtype = at::kFloat) const {
    const c10::NoGradGuard no_gradients;
    const model::UNet unet = source_.load_unet({.dtype = dtype}, edits);
    return unet.forward(random_values({1, 4, 8, 8}, 1).to(dtype), at::tensor({500}, at::kLong),
                        random_values({1, 77, table_.context_channels()}, 2).to(dtype));
  }

  at::Tensor weight_of(const std::string& path) const {
    return random_values(table_.find(flat(path))->shape, 9);
  }

  static std::string flat(std::string path) {
    std::replace(path.begin(), path.end(), '.', '_');
    return path;
  }

  LowRankPair pair_for(const std::string& path, double alpha, uint64_t seed = 3) const {
    const std::vector<int64_t>& shape = table_.find(flat(path))->shape;
    return {.a = random_values({2, shape[1]}, seed),
            .b = random_values({shape[0], 2}, seed + 1),
            .alpha = alpha,
            .tensor_names = {path + ".A", path + ".B"}};
  }

  static AdapterFile file_of(LowRankPairs pairs) {
    AdapterFile adapter;
    adapter.file = "adapter.safetensors";
    adapter.unet = std::move(pairs);
    adapter.tensor_count = 2 * static_cast<int64_t>(adapter.unet.size());
    return adapter;
  }

  std::string refusal(const AdapterFile& adapter) {
    return message_of_error(ExitCode::kBadData, [&] { AdapterEdits(table_).add(adapter, 1); });
  }

  model::ModelSource source_{std::getenv("SDLORA_TINY_MODEL")};
  ModuleTable table_{model::UNetConfig::read(source_.config_of(model::ModelPart::kUnet)),
                     model::ClipTextConfig::read(source_.config_of(model::ModelPart::kTextEncoder))};
};

TEST_F(AdapterEditsTest, ChangeThePredictionByScaleAndStrength) {
  AdapterEdits halves(table_), whole(table_);
  halves.add(file_of({{kQueryOfTheMiddle, pair_for(kQueryOfTheMiddle, 2)}}), 0.5);
  whole.add(file_of({{kQueryOfTheMiddle, pair_for(kQueryOfTheMiddle, 1)}}), 1);
  const at::Tensor before = predict(nullptr), after = predict(&whole);
  EXPECT_FALSE(at::equal(before, after));
  EXPECT_LT((predict(&halves) - after).norm().item<double>(), 1e-5 * after.norm().item<double>());
}

TEST_F(AdapterEditsTest, LeaveTheBasesVeryBytesWithStrengthZero) {
  AdapterEdits edits(table_);
  const Applied applied = edits.add(file_of({{kQueryOfTheMiddle, pair_for(kQueryOfTheMiddle, 2)}}), 0);
  EXPECT_EQ(applied.tensor_count, 2);
  EXPECT_FALSE(edits.touches(kQueryOfTheMiddle + ".weight"));
  EXPECT_TRUE(at::equal(predict(nullptr), predict(&edits)));
}

TEST_F(AdapterEditsTest, OfSeveralAdaptersFollowOneAnother) {
  AdapterFile rows = file_of({});  // a DoRA of rows: not the same before and after another adapter
  const at::Tensor weight = weight_of(kQueryOfTheMiddle);
  const WeightChange doubled = matrix_change("double", weight.size(0), weight.size(1),
                                             [](const at::Tensor& w, double) { return 2 * w; });
  rows.others[kQueryOfTheMiddle] = {.weight = doubled, .bias = {}, .tensor_names = {"double"}};
  const LowRankPair pair = pair_for(kQueryOfTheMiddle, 2);
  AdapterEdits edits(table_);
  edits.add(file_of({{kQueryOfTheMiddle, pair}}), 0.5);
  edits.add(rows, 1);
  const at::Tensor expected = 2 * (weight + 0.5 * at::mm(pair.b, pair.a));
  EXPECT_LT((edits.edited(kQueryOfTheMiddle + ".weight", weight) - expected).norm().item<double>(), 1e-4);
}

TEST_F(AdapterEditsTest, GiveABiasToAProjectionThatHasNone) {
  AdapterFile adapter = file_of({});
  const int64_t rows = table_.find(flat(kQueryOfTheMiddle))->shape[0];
  adapter.others[kQueryOfTheMiddle] = {.weight = {},
                                       .bias = adding([rows] { return at::ones({rows}); }),
                                       .bias_size = rows,
                                       .tensor_names = {"bias"}};
  AdapterEdits edits(table_);
  edits.add(adapter, 1);
  EXPECT_FALSE(at::equal(predict(nullptr), predict(&edits)));
}

TEST_F(AdapterEditsTest, AreOfTheTextEncoderInBothOfItsNamings) {
  const std::string path = "text_model.encoder.layers.1.mlp.fc1";
  AdapterFile adapter = file_of({});
  adapter.text_encoder = {{path, pair_for(path, 1)}};
  AdapterEdits edits(table_);
  edits.add(adapter, 1);
  EXPECT_TRUE(edits.touches(path + ".weight"));
  EXPECT_TRUE(edits.touches("encoder.layers.1.mlp.fc1.weight"));  // transformers 5
  EXPECT_FALSE(edits.touches("encoder.layers.0.mlp.fc1.weight"));
  const c10::NoGradGuard no_gradients;
  const at::Tensor ids = at::zeros({1, 77}, at::kLong);
  EXPECT_FALSE(at::equal(source_.load_text_encoder({}).encode(ids),
                         source_.load_text_encoder({}, &edits).encode(ids)));
}

TEST_F(AdapterEditsTest, AreRoundedOnceTo16Bits) {
  AdapterEdits edits(table_);
  edits.add(file_of({{kQueryOfTheMiddle, pair_for(kQueryOfTheMiddle, 2)}}), 1);
  const at::Tensor exact = predict(&edits), rounded = predict(&edits, at::kBFloat16).to(at::kFloat);
  EXPECT_LT((rounded - exact).norm().item<double>(), 0.1 * exact.norm().item<double>());
}

TEST_F(AdapterEditsTest, CountAndNameWhatIsLeftOut) {
  AdapterFile adapter = file_of({{kQueryOfTheMiddle, pair_for(kQueryOfTheMiddle, 1)},
                                 {"down_blocks.9.nowhere",
                                  {.a = at::zeros({2, 4}),
                                   .b = at::zeros({4, 2}),
                                   .alpha = 1,
                                   .tensor_names = {"nowhere.A", "nowhere.B"}}}});
  adapter.left_out = {{"OFT", {"oft"}}};
  adapter.tensor_count += 1;
  const Applied applied = AdapterEdits(table_).add(adapter, 1);
  EXPECT_EQ(applied.tensor_count, 2);
  EXPECT_EQ(applied.file_tensor_count, 5);
  EXPECT_EQ(describe(applied.left_out),
            "1 of OFT (oft); 2 of modules that this model does not have (nowhere.A, nowhere.B)");
}

TEST_F(AdapterEditsTest, AreRefusedWhenNoTensorFitsWithAdviceForTheReason) {
  AdapterFile adapter = file_of({});
  adapter.left_out = {{"OFT", {"some.oft_blocks"}}};
  adapter.tensor_count = 1;
  const std::string text = refusal(adapter);
  EXPECT_THAT(text, HasSubstr("1 of OFT (some.oft_blocks)"));
  EXPECT_THAT(text, HasSubstr("this kind is not read"));
  adapter.left_out = {{"modules that this model does not have", {"double_blocks"}}};
  EXPECT_THAT(refusal(adapter), HasSubstr("trained for this model"));
  adapter.family = "Flux";
  EXPECT_THAT(refusal(adapter), HasSubstr("it is for Flux"));
}

TEST_F(AdapterEditsTest, AreRefusedForAnotherFamilyEvenWhereSomeShapesFit) {
  AdapterFile adapter = file_of({{kQueryOfTheMiddle, pair_for(kQueryOfTheMiddle, 1)}});
  for (const auto& [width, family] :
       {std::pair{2048, "Stable Diffusion XL"}, {1024, "Stable Diffusion 2.x"}}) {
    adapter.context_channels = width;
    EXPECT_THAT(refusal(adapter), HasSubstr(family));
  }
}

TEST_F(AdapterEditsTest, NameTheTensorsAndBothShapesOfAModuleThatDiffers) {
  LowRankPair pair = pair_for(kQueryOfTheMiddle, 1);
  const int64_t in = pair.a.size(1);
  pair.a = at::zeros({2, in + 1});
  const std::string text = refusal(file_of({{kQueryOfTheMiddle, pair}}));
  EXPECT_THAT(text, HasSubstr(kQueryOfTheMiddle + ".A"));
  EXPECT_THAT(text, HasSubstr("[" + std::to_string(in) + ", " + std::to_string(in) + "]"));
  EXPECT_THAT(text, HasSubstr("[" + std::to_string(in) + ", " + std::to_string(in + 1) + "]"));
}

}  // namespace
}  // namespace sdlora::lora
