// Kinds that are no products, what may stand beside any kind, and what is not read.
#include "lora/kinds/read_module.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/lora/kinds/parts_of.h"
#include "tests/support/random_values.h"

namespace sdlora::lora {
namespace {

using Tensors = std::vector<std::pair<Part, at::Tensor>>;

std::string unsupported(const Tensors& tensors, bool is_of_peft = false) {
  ModuleContext context = plain_context();
  context.is_of_peft = is_of_peft;
  return read_module(parts_of(tensors), context).unsupported_kind;
}

TEST(WholeDifferences, AreAddedAsTheyAre) {
  const at::Tensor weight = random_values({4}, 1), given = random_values({4}, 2);
  EXPECT_LT(distance(difference_for({{Part::kDifference, given}}, weight), given), 1e-6);
  EXPECT_LT(distance(weight + difference_for({{Part::kValue, given}}, weight), given), 1e-6);
}

TEST(WholeDifferences, StandBesideABranch) {
  const at::Tensor a = random_values({2, 3}, 1), b = random_values({4, 2}, 2),
                   whole = random_values({4, 3}, 3);
  EXPECT_LT(
      distance(difference_for({{Part::kA, a}, {Part::kB, b}, {Part::kDifference, whole}}, at::zeros({4, 3})),
               at::mm(b, a) + whole),
      1e-6);
}

TEST(WholeDifferences, OfPeftStandInPlaceOfWeightAndBias) {
  const at::Tensor weight = random_values({4, 3}, 1), bias = random_values({4}, 2);
  ModuleContext context = plain_context();
  context.is_of_peft = true;
  const ModuleRead read = read_module(parts_of({{Part::kFactor, weight}, {Part::kBiasValue, bias}}), context);
  ASSERT_TRUE(read.change);
  EXPECT_LT(distance(read.change->weight.edit(at::ones({4, 3}), 1), weight), 1e-6);
  EXPECT_LT(distance(read.change->bias(at::ones({4}), 1), bias), 1e-6);
}

TEST(Biases, AreScaledWhereTheyBelongToB) {
  const Tensors branch{{Part::kA, at::ones({2, 3})}, {Part::kB, at::ones({4, 2})}, {Part::kAlpha, number(1)}};
  const at::Tensor given = random_values({4}, 1);
  for (const auto& [part, scale] : {std::pair{Part::kBiasOfB, 0.5}, {Part::kBiasDifference, 1.0}}) {
    Tensors tensors = branch;
    tensors.emplace_back(part, given);
    const ModuleRead read = read_module(parts_of(tensors), plain_context());
    ASSERT_TRUE(read.change);
    EXPECT_EQ(read.change->bias_size, 4);
    EXPECT_LT(distance(read.change->bias(at::zeros({4}), 1), given * scale), 1e-7);
  }
  EXPECT_EQ(read_module(parts_of({{Part::kBiasDifference, given}}), plain_context()).change->weight.kind, "");
}

TEST(Biases, OfTwoPartsAreBothAdded) {
  const Tensors branch{{Part::kA, at::ones({2, 3})}, {Part::kB, at::ones({4, 2})}, {Part::kAlpha, number(1)}};
  const at::Tensor of_b = random_values({4}, 1), whole = random_values({4}, 2);
  Tensors tensors = branch;
  tensors.emplace_back(Part::kBiasOfB, of_b);
  tensors.emplace_back(Part::kBiasDifference, whole);
  const ModuleRead read = read_module(parts_of(tensors), plain_context());
  EXPECT_LT(distance(read.change->bias(at::ones({4}), 0.5), 1 + 0.5 * (whole + 0.5 * of_b)), 1e-6);
  tensors.back().second = at::ones({3});
  EXPECT_THROW(read_module(parts_of(tensors), plain_context()), Error);
}

TEST(Ia3, OfLycorisAddsToOneOverOutputsOrInputs) {
  const at::Tensor weight = random_values({4, 3, 3, 3}, 1), out = random_values({1, 4, 1, 1}, 2),
                   in = random_values({1, 3, 1, 1}, 3);
  EXPECT_LT(distance(difference_for({{Part::kFactor, out}, {Part::kOnInput, at::scalar_tensor(0, at::kLong)}},
                                    weight),
                     weight * out.view({4, 1, 1, 1})),
            1e-6);
  EXPECT_LT(distance(difference_for({{Part::kFactor, in}, {Part::kOnInput, at::scalar_tensor(1, at::kLong)}},
                                    weight),
                     weight * in),
            1e-6);
}

TEST(Ia3, OfPeftMultipliesAndTakesTheBiasOfOutputs) {
  const at::Tensor weight = random_values({4, 3}, 1), out = random_values({4, 1}, 2),
                   in = random_values({1, 3}, 3);
  EXPECT_LT(distance(weight + difference_for({{Part::kPeftFactor, out}}, weight), weight * out), 1e-6);
  EXPECT_LT(distance(weight + difference_for({{Part::kPeftFactor, in}}, weight), weight * in), 1e-6);
  const ModuleChange change = *read_module(parts_of({{Part::kPeftFactor, out}}), plain_context()).change;
  EXPECT_LT(distance(change.bias(at::ones({4}), 1), out.flatten()), 1e-6);
  EXPECT_FALSE(read_module(parts_of({{Part::kPeftFactor, in}}), plain_context()).change->bias);
}

TEST(Ia3, OfPeftOnAConvolutionTakesTheAxisThatFits) {
  const at::Tensor weight = random_values({4, 3, 3, 3}, 1), bias = random_values({4}, 4);
  for (const int64_t axis : {0, 1}) {
    const at::Tensor factor = random_values({1, weight.size(axis), 1, 1}, 2);
    const ModuleChange change = *read_module(parts_of({{Part::kPeftFactor, factor}}), plain_context()).change;
    ASSERT_TRUE(change.weight.fits(weight.sizes()));
    const at::Tensor expected = axis == 0 ? weight * factor.view({4, 1, 1, 1}) : weight * factor;
    EXPECT_LT(distance(change.weight.edit(weight, 1), expected), 1e-6);
    EXPECT_LT(distance(change.bias(bias, 1), axis == 0 ? bias * factor.flatten() : bias), 1e-6);
  }
}

TEST(ReadModule, NamesWhatItDoesNotRead) {
  const at::Tensor two = at::ones({2, 2});
  EXPECT_EQ(unsupported({{Part::kAlpha, number(1)}}), "alpha without A and B");
  EXPECT_EQ(unsupported({{Part::kMagnitude, two}}), "DoRA without its branch");
  EXPECT_EQ(unsupported({{Part::kFactor, two}}), "unknown names");  // a weight of a checkpoint
  EXPECT_EQ(unsupported({{Part::kA, two}, {Part::kLohaW1A, two}}), "several kinds in one module");
  EXPECT_EQ(unsupported({{Part::kLokrW1, two}}, /*is_of_peft=*/true), "LoKr of PEFT");
}

TEST(ReadModule, TakesZeroAlphaForTheRankWhereKohyaDoes) {
  const Tensors tensors{
      {Part::kA, at::ones({2, 3})}, {Part::kB, at::ones({4, 2})}, {Part::kAlpha, number(0)}};
  ModuleContext context = plain_context();
  EXPECT_EQ(read_module(parts_of(tensors), context).pair->scale(), 0);
  context.takes_zero_alpha_for_rank = true;
  EXPECT_EQ(read_module(parts_of(tensors), context).pair->scale(), 1);
}

TEST(ModuleParts, AreOnceInAModuleAndFinite) {
  ModuleParts parts = parts_of({{Part::kA, at::ones({2, 3})}});
  EXPECT_THROW(parts.add(Part::kA, "again", at::ones({2, 3})), Error);
  at::Tensor broken = at::ones({2, 3});
  broken[1][1] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(read_module(parts_of({{Part::kDifference, broken}}), plain_context()), Error);
}

}  // namespace
}  // namespace sdlora::lora
