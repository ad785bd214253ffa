#include "lora/initial_values.h"

#include <cstdlib>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "common/seeds.h"
#include "lora/adapter_fit.h"
#include "model/model_source.h"

namespace sdlora::lora {
namespace {

model::UNet small_unet() {
  return model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_unet({});
}

Adapter adapter_on(model::UNet& unet, const LoraConfig& config) {
  return {unet, config, /*run_seed=*/7, at::kCPU};
}

// A file with a branch of `rank` for every module of `like` whose path holds `part`.
AdapterFile file_for(const Adapter& like, int64_t rank, double alpha, const std::string& part = "") {
  AdapterFile file{.file = "old.safetensors", .naming = "kohya"};
  uint64_t seed = 1;
  for (const Adapter::Module& module : like.modules()) {
    if (module.path.find(part) == std::string::npos) continue;
    LowRankPair pair{.a = at::randn({rank, module.in_features}, generator_for(seed++), at::kFloat),
                     .b = at::randn({module.out_features, rank}, generator_for(seed++), at::kFloat),
                     .alpha = alpha,
                     .tensor_names = {module.path + ".a", module.path + ".b"}};
    if (module.kernel_size > 0) pair.a = pair.a.view({rank, -1, module.kernel_size, module.kernel_size});
    file.unet.emplace(module.path, pair);
  }
  file.tensor_count = static_cast<int64_t>(2 * file.unet.size());
  return file;
}

at::Tensor product_of(const Adapter& adapter, size_t module) {
  return at::matmul(adapter.b(module), adapter.a(module)) * adapter.modules()[module].scale();
}

at::Tensor product_of(const LowRankPair& pair) {
  return at::matmul(pair.b, pair.a.flatten(1)) * pair.scale();
}

double distance(const at::Tensor& seen, const at::Tensor& expected) {
  return ((seen - expected).norm() / expected.norm()).item<double>();
}

TEST(InitialValues, AreTheFilesOwnAtTheSameRankAndAlpha) {
  const c10::NoGradGuard no_gradients;
  model::UNet unet = small_unet();
  Adapter adapter = adapter_on(unet, {.rank = 4, .alpha = 2});
  const AdapterFile file = file_for(adapter, 4, 2);
  const BegunFrom begun = begin_from(adapter, file);
  EXPECT_EQ(begun.module_count, static_cast<int64_t>(adapter.modules().size()));
  EXPECT_EQ(begun.reduced_count, 0);
  for (size_t i = 0; i < adapter.modules().size(); ++i) {
    const LowRankPair& pair = file.unet.at(adapter.modules()[i].path);
    EXPECT_TRUE(at::equal(adapter.a(i), pair.a));
    EXPECT_TRUE(at::equal(adapter.b(i), pair.b));
  }
}

TEST(InitialValues, KeepTheFunctionAtAnotherAlphaAndAHigherRank) {
  const c10::NoGradGuard no_gradients;
  model::UNet unet = small_unet();
  Adapter adapter = adapter_on(unet, {.rank = 8, .alpha = 16});
  const at::Tensor a_before = adapter.a(0).clone();
  const AdapterFile file = file_for(adapter, 3, 1);
  begin_from(adapter, file);
  for (size_t i = 0; i < adapter.modules().size(); ++i)
    EXPECT_LT(distance(product_of(adapter, i), product_of(file.unet.at(adapter.modules()[i].path))), 1e-6);
  EXPECT_TRUE(at::equal(adapter.a(0).narrow(0, 3, 5), a_before.narrow(0, 3, 5)));  // can still learn
  EXPECT_EQ(adapter.b(0).narrow(1, 3, 5).abs().max().item<float>(), 0);
}

TEST(InitialValues, AreTheBestApproximationAtALowerRank) {
  const c10::NoGradGuard no_gradients;
  model::UNet unet = small_unet();
  Adapter adapter = adapter_on(unet, {.rank = 2, .alpha = 1});
  const AdapterFile file = file_for(adapter, 6, 3);
  const BegunFrom begun = begin_from(adapter, file);
  EXPECT_EQ(begun.reduced_count, begun.module_count);
  for (size_t i = 0; i < adapter.modules().size(); ++i) {
    const at::Tensor whole = product_of(file.unet.at(adapter.modules()[i].path));
    const at::Tensor values = at::linalg_svdvals(whole.to(at::kDouble));
    const double least = (values.narrow(0, 2, values.size(0) - 2).norm() / whole.norm()).item<double>();
    EXPECT_NEAR(distance(product_of(adapter, i), whole), least, 1e-5);
  }
}

// conv_out has 4 channels: of what a file has at rank 16, 4 ranks are all that there is.
TEST(InitialValues, AreOfFewerRanksWhereTheModuleIsNarrow) {
  const c10::NoGradGuard no_gradients;
  model::UNet unet = small_unet();
  Adapter adapter = adapter_on(unet, {.rank = 8, .alpha = 1, .targets = "conv_out"});
  AdapterFile file;
  const AdapterModule& module = adapter.modules().front();
  LowRankPair& pair = file.unet[module.path];
  pair = {.a = random_values({16, module.in_features / 9, 3, 3}, 1),
          .b = random_values({module.out_features, 16, 1, 1}, 2),
          .alpha = 2,
          .tensor_names = {}};
  EXPECT_EQ(begin_from(adapter, file).reduced_count, 1);
  const at::Tensor whole = at::mm(pair.b.flatten(1), pair.a.flatten(1)) * pair.scale();
  EXPECT_LT(distance(product_of(adapter, 0), whole), 1e-5);
}

// What DoRA makes of the frozen weight W: m / ‖W + s B A‖ ⊙ (W + s B A).
TEST(InitialValues, OfALoraBeginDoraAtTheSameFunction) {
  const c10::NoGradGuard no_gradients;
  model::UNet unet = small_unet();
  Adapter adapter = adapter_on(unet, {.kind = LoraKind::kDora, .rank = 4, .alpha = 2, .targets = "full"});
  begin_from(adapter, file_for(adapter, 4, 2));
  size_t module = 0;
  const auto expect_length = [&](const std::string& path, const at::Tensor& weight) {
    if (module == adapter.modules().size() || adapter.modules()[module].path != path) return;
    const at::Tensor whole = weight.flatten(1) + product_of(adapter, module);
    EXPECT_LT(distance(adapter.magnitude(module++), whole.norm(2, 1)), 1e-6) << path;
  };
  unet.visit_slots(
      {.projection = [&](const std::string& path,
                         model::ProjectionSlot& slot) { expect_length(path, slot->base().weight); },
       .convolution = [&](const std::string& path,
                          model::ConvolutionSlot& slot) { expect_length(path, slot->base().weight); }});
  EXPECT_EQ(module, adapter.modules().size());
}

TEST(InitialValues, OfADoraHaveItsMagnitudesAndOfALoraLeaveThemOut) {
  const c10::NoGradGuard no_gradients;
  model::UNet unet = small_unet(), plain_unet = small_unet();
  Adapter adapter = adapter_on(unet, {.kind = LoraKind::kDora, .rank = 4, .alpha = 2});
  AdapterFile file = file_for(adapter, 4, 2);
  const std::string path = adapter.modules().front().path;
  const at::Tensor magnitude = at::full({adapter.modules().front().out_features}, 3.0F);
  const LowRankPair pair = file.unet.extract(path).mapped();
  file.doras.emplace(path, DoraPair{pair, magnitude});
  file.others[path].weight.kind = "DoRA";
  file.others[path].tensor_names = {path + ".dora_scale"};
  const BegunFrom begun = begin_from(adapter, file);
  EXPECT_TRUE(at::equal(adapter.magnitude(0), magnitude));
  EXPECT_TRUE(at::equal(adapter.b(0), pair.b));
  EXPECT_FALSE(at::equal(adapter.magnitude(1), at::full_like(adapter.magnitude(1), 3.0F)));
  EXPECT_TRUE(begun.left_out.empty());

  Adapter plain = adapter_on(plain_unet, {.rank = 4, .alpha = 2});
  EXPECT_TRUE(begin_from(plain, file).left_out.contains(kDoraForALora));
  EXPECT_EQ(plain.b(0).abs().max().item<float>(), 0);
}

TEST(InitialValues, SayWhatOfTheFileIsNotUsedAndLeaveTheRestAlone) {
  const c10::NoGradGuard no_gradients;
  model::UNet wide_unet = small_unet(), unet = small_unet();
  const Adapter wide = adapter_on(wide_unet, {.rank = 4, .alpha = 1, .targets = "attn-mlp"});
  Adapter adapter = adapter_on(unet, {.rank = 4, .alpha = 1, .targets = "attn"});
  AdapterFile file = file_for(wide, 4, 1, "ff.net");
  EXPECT_THROW(begin_from(adapter, file), Error);  // nothing fits
  AdapterFile some = file_for(wide, 4, 1, "attn1");
  some.unet.merge(file.unet);
  const BegunFrom begun = begin_from(adapter, some);
  EXPECT_EQ(begun.module_count, static_cast<int64_t>(adapter.modules().size()) / 2);
  EXPECT_EQ(begun.left_out.size(), 1);
  for (size_t i = 0; i < adapter.modules().size(); ++i) {
    const bool is_of_file = adapter.modules()[i].path.find("attn1") != std::string::npos;
    EXPECT_EQ(adapter.b(i).abs().max().item<float>() > 0, is_of_file) << adapter.modules()[i].path;
  }
}

TEST(InitialValues, OfAnotherShapeAreRefused) {
  const c10::NoGradGuard no_gradients;
  model::UNet unet = small_unet();
  Adapter adapter = adapter_on(unet, {.rank = 4, .alpha = 1});
  AdapterFile file = file_for(adapter, 4, 1);
  LowRankPair& pair = file.unet.begin()->second;
  pair.a = at::zeros({4, pair.a.size(1) + 1});
  EXPECT_THROW(begin_from(adapter, file), Error);
}

}  // namespace
}  // namespace sdlora::lora
