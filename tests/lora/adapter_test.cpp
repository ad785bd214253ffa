#include "lora/adapter.h"

#include <cstdlib>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include "common/error.h"
#include "common/seeds.h"
#include "lora/adapter_edits.h"
#include "lora/initial_values.h"
#include "lora/targets.h"
#include "lora/trained_adapter.h"
#include "model/model_source.h"
#include "tests/support/error_of.h"
#include "tests/support/relative_error.h"

namespace sdlora::lora {
namespace {

model::UNet tiny_unet() {
  return model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_unet({});
}

at::Tensor predict(const model::UNet& unet) {
  const int64_t width = unet.config().levels.front().context_channels;
  return unet.forward(at::randn({1, 4, 8, 8}, generator_for(1), at::kFloat), at::tensor({500}, at::kLong),
                      at::randn({1, 77, width}, generator_for(2), at::kFloat));
}

TEST(Adapter, ChangesNothingBeforeItIsTrained) {
  const c10::NoGradGuard no_gradients;
  model::UNet unet = tiny_unet();
  const at::Tensor before = predict(unet);
  const Adapter adapter(unet, {.rank = 4, .alpha = 1, .targets = "attn"}, 7, at::kCPU);
  EXPECT_TRUE(at::equal(before, predict(unet)));
}

TEST(Adapter, StartsWithKaimingUniformAAndZeroB) {
  model::UNet unet = tiny_unet();
  const Adapter adapter(unet, {.rank = 16, .alpha = 1, .targets = "attn-mlp"}, 7, at::kCPU);
  for (const auto& [name, tensor] : adapter.named_tensors()) {
    if (name.ends_with(".lora_B")) {
      EXPECT_EQ(tensor.abs().max().item<float>(), 0) << name;
      continue;
    }
    const double bound = 1 / std::sqrt(static_cast<double>(tensor.size(1)));
    EXPECT_LE(tensor.abs().max().item<double>(), bound) << name;
    EXPECT_GT(tensor.abs().max().item<double>(), 0.9 * bound) << name;
    EXPECT_NEAR(tensor.std().item<double>(), bound / std::sqrt(3.0), 0.1 * bound) << name;
  }
}

// A kernel has its own copy of a weight, so what nobody trains would lie there twice.
TEST(Adapter, OfDoraKeepsThePlainWeightsOfTheConvolutionsThatItTrains) {
  const LoraConfig config{
      .kind = LoraKind::kDora, .rank = 4, .alpha = 1, .targets = R"(resnets\.\d\.conv1$)"};
  model::ComputeMode mode;
  mode.cpu_kernels.packs_convolutions = true;
  mode.keeps_weight = weights_to_keep(config);
  model::UNet unet = model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_unet(mode);
  const Adapter adapter(unet, config, 7, at::kCPU);
  int kept = 0, dropped = 0;
  unet.visit_slots({.projection = [](const std::string&, model::ProjectionSlot&) {},
                    .convolution =
                        [&](const std::string& path, model::ConvolutionSlot& slot) {
                          ++(slot->base().weight.defined() ? kept : dropped);
                          EXPECT_EQ(slot->base().weight.defined(), path.ends_with(".conv1")) << path;
                        }});
  EXPECT_EQ(kept, static_cast<int>(adapter.modules().size()));
  EXPECT_GT(dropped, 0);
}

TEST(Adapter, DrawsTheSameInitialValuesForTheSameSeedOnly) {
  model::UNet first = tiny_unet(), second = tiny_unet(), third = tiny_unet();
  const LoraConfig config{.rank = 4, .alpha = 1, .targets = "attn"};
  Adapter a(first, config, 7, at::kCPU), b(second, config, 7, at::kCPU), c(third, config, 8, at::kCPU);
  EXPECT_TRUE(at::equal(a.parameters(), b.parameters()));
  EXPECT_FALSE(at::equal(a.parameters(), c.parameters()));
}

TEST(Adapter, TrainsOnlyItself) {
  model::UNet unet = tiny_unet();
  Adapter adapter(unet, {.rank = 4, .alpha = 1, .targets = "attn"}, 7, at::kCPU);
  predict(unet).square().mean().backward();
  EXPECT_GT(adapter.gradients().norm().item<double>(), 0);
  unet.visit_slots({.projection =
                        [](const std::string& path, model::ProjectionSlot& slot) {
                          EXPECT_FALSE(slot->base().weight.requires_grad()) << path;
                        },
                    .convolution =
                        [](const std::string& path, model::ConvolutionSlot& slot) {
                          EXPECT_FALSE(slot->base().bias.requires_grad()) << path;
                        }});
}

TEST(Adapter, TrainsTheTextEncoderThroughTheUnet) {
  const model::ModelSource source(std::getenv("SDLORA_TINY_MODEL"));
  model::UNet unet = source.load_unet({});
  model::ClipTextEncoder text_encoder = source.load_text_encoder({});
  Adapter adapter(unet, {.rank = 4, .alpha = 1, .targets = "attn", .trains_text_encoder = true}, 7, at::kCPU,
                  &text_encoder);
  adapter.parameters().normal_(0, 0.1, generator_for(3));
  const at::Tensor ids = at::randint(0, 100, {1, 77}, generator_for(4), at::kLong);
  unet.forward(at::randn({1, 4, 8, 8}, generator_for(1), at::kFloat), at::tensor({500}, at::kLong),
               text_encoder.encode(ids))
      .square()
      .mean()
      .backward();
  int64_t first = 0;
  for (const Adapter::Module& module : adapter.modules()) {
    const at::Tensor gradients = adapter.gradients().narrow(0, first, module.parameter_count());
    EXPECT_GT(gradients.norm().item<double>(), 0) << module.path;
    first += module.parameter_count();
  }
}

TEST(Adapter, StoresOneByOneConvolutionsWithFourDimensions) {
  model::UNet unet = tiny_unet();
  const Adapter adapter(unet, {.rank = 4, .alpha = 1, .targets = "attn-mlp"}, 7, at::kCPU);
  const auto tensors = adapter.named_tensors();
  EXPECT_EQ(tensors.at("mid_block.attentions.0.proj_in.lora_A").dim(), 4);
  EXPECT_EQ(tensors.at("mid_block.attentions.0.transformer_blocks.0.ff.net.2.lora_A").dim(), 2);
}

TEST(Adapter, GivesTheSamePredictionAfterItsFileIsRead) {
  const std::filesystem::path file =
      std::filesystem::path(testing::TempDir()) / "adapter_test_lora_weights.pt";
  const c10::NoGradGuard no_gradients;
  model::UNet unet = tiny_unet();
  Adapter adapter(unet, {.rank = 4, .alpha = 2, .targets = "attn-mlp"}, 7, at::kCPU);
  adapter.parameters().normal_(0, 0.1, generator_for(3));
  write_adapter(
      file,
      {.tensors = adapter.named_tensors(), .config = adapter.config(), .step = 5, .base_model_hash = "x"});
  const ModuleTable table(unet.config(), standard_text_encoder(/*is_sd2=*/false));
  AdapterEdits edits(table);
  const Applied applied = edits.add(read_adapter(file, table), 1.0);
  const model::UNet other = model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_unet({}, &edits);
  EXPECT_EQ(applied.tensor_count, applied.file_tensor_count);
  EXPECT_TRUE(at::equal(predict(unet), predict(other)));
}

// Which generate merges into the weights, and training computes beside them.
TEST(Adapter, OfConvolutionsGivesTheSamePredictionAfterItsFileIsRead) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "adapter_test_locon.pt";
  const c10::NoGradGuard no_gradients;
  model::UNet unet = tiny_unet();
  const at::Tensor plain = predict(unet);
  Adapter adapter(unet,
                  {.rank = 4,
                   .alpha = 2,
                   .targets = "full",
                   .conv_rank = 2,
                   .conv_alpha = 3,
                   .rank_patterns = {"attn1=8", "mid_block.resnets.0.conv1=0"},
                   .is_rank_stabilised = true},
                  7, at::kCPU);
  adapter.parameters().normal_(0, 0.1, generator_for(3));
  write_adapter(file, {.tensors = adapter.named_tensors(),
                       .config = adapter.config(),
                       .other_alphas = adapter.other_alphas(),
                       .step = 5,
                       .base_model_hash = "x"});
  const ModuleTable table(unet.config(), standard_text_encoder(/*is_sd2=*/false));
  AdapterEdits edits(table);
  const Applied applied = edits.add(read_adapter(file, table), 1.0);
  const model::UNet other = model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_unet({}, &edits);
  EXPECT_EQ(applied.tensor_count, applied.file_tensor_count);
  EXPECT_GT(relative_error(predict(unet), plain), 0.05);
  EXPECT_LT(relative_error(predict(unet), predict(other)), 1e-5);
}

TEST(Adapter, OfConvolutionsBeginsFromItsOwnFile) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "adapter_test_begun.pt";
  const c10::NoGradGuard no_gradients;
  model::UNet unet = tiny_unet(), second = tiny_unet();
  const LoraConfig config{.rank = 4, .alpha = 2, .targets = "full", .conv_rank = 2};
  Adapter adapter(unet, config, 7, at::kCPU);
  adapter.parameters().normal_(0, 0.1, generator_for(3));
  write_adapter(file,
                {.tensors = adapter.named_tensors(), .config = config, .step = 5, .base_model_hash = "x"});
  Adapter begun(second, {.rank = 8, .alpha = 1, .targets = "full"}, 8, at::kCPU);
  const BegunFrom all = begin_from(begun, read_adapter(file));
  EXPECT_EQ(all.module_count, static_cast<int64_t>(begun.modules().size()));
  EXPECT_TRUE(all.left_out.empty()) << describe(all.left_out);
  EXPECT_LT(relative_error(predict(second), predict(unet)), 1e-5);
}

TEST(Adapter, SaysWhichRanksItHas) {
  model::UNet unet = tiny_unet();
  const Adapter adapter(
      unet, {.rank = 4, .alpha = 1, .targets = "full", .conv_rank = 2, .dropout = {.neuron = 0.1}}, 7,
      at::kCPU);
  EXPECT_THAT(describe(adapter, 0), testing::HasSubstr("; rank 2, alpha 1 in "));
  EXPECT_THAT(describe(adapter, 0), testing::HasSubstr("; dropout 0.1 of numbers"));
}

TEST(Adapter, RefusesAPatternThatMatchesNoModuleOfItsTargets) {
  model::UNet unet = tiny_unet();
  EXPECT_THAT(message_of_error(
                  ExitCode::kUsage,
                  [&] { Adapter(unet, {.targets = "attn", .rank_patterns = {"conv1=4"}}, 7, at::kCPU); }),
              testing::HasSubstr("conv1=4"));
  EXPECT_THAT(
      message_of_error(ExitCode::kUsage,
                       [&] { Adapter(unet, {.targets = "attn", .rank_patterns = {"attn=0"}}, 7, at::kCPU); }),
      testing::HasSubstr("no module is left"));
}

TEST(Adapter, RefusesTargetsThatMatchNothing) {
  model::UNet unet = tiny_unet();
  try {
    Adapter adapter(unet, {.rank = 4, .alpha = 1, .targets = "no_such_module"}, 7, at::kCPU);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
  }
}

TEST(Adapter, RefusesTensorsOfAnotherRank) {
  model::UNet unet = tiny_unet(), other = tiny_unet();
  Adapter four(unet, {.rank = 4, .alpha = 1, .targets = "attn"}, 7, at::kCPU);
  const Adapter eight(other, {.rank = 8, .alpha = 1, .targets = "attn"}, 7, at::kCPU);
  EXPECT_THROW(four.load(eight.named_tensors()), Error);
}

}  // namespace
}  // namespace sdlora::lora
