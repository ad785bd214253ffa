// LoRA and its relatives, against what their papers' sums give by hand.
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/lora/kinds/parts_of.h"
#include "tests/support/random_values.h"

namespace sdlora::lora {
namespace {

using Tensors = std::vector<std::pair<Part, at::Tensor>>;

TEST(LowRank, IsTheScaledProduct) {
  const Tensors tensors{{Part::kA, matrix({{1, 0, 1}})}, {Part::kB, matrix({{.5}, {-.5}})}};
  EXPECT_EQ(distance(difference_for(tensors, at::zeros({2, 3})), matrix({{.5, 0, .5}, {-.5, 0, -.5}})), 0);
  Tensors scaled = tensors;
  scaled.emplace_back(Part::kAlpha, number(4));
  EXPECT_EQ(distance(difference_for(scaled, at::zeros({2, 3})), matrix({{2, 0, 2}, {-2, 0, -2}})), 0);
  scaled.emplace_back(Part::kScale, number(.5));  // in place of alpha / r
  EXPECT_EQ(distance(difference_for(scaled, at::zeros({2, 3})), matrix({{.25, 0, .25}, {-.25, 0, -.25}})), 0);
}

TEST(LowRank, OfAConvolutionIsTheProductOfItsMatrices) {
  const at::Tensor a = random_values({2, 3, 3, 3}, 1), b = random_values({4, 2, 1, 1}, 2);
  const at::Tensor delta = difference_for({{Part::kA, a}, {Part::kB, b}}, at::zeros({4, 3, 3, 3}));
  const at::Tensor twice = at::conv2d(at::conv2d(random_values({1, 3, 5, 5}, 3), a), b);
  EXPECT_LT(distance(at::conv2d(random_values({1, 3, 5, 5}, 3), delta), twice), 1e-5);
}

TEST(LowRank, OfAdaLoraHasItsSingularValuesAndItsScale) {
  const ModuleRead read = read_module(parts_of({{Part::kA, matrix({{1, 2}, {3, 4}})},
                                                {Part::kSingular, matrix({{2}, {-1}})},
                                                {Part::kB, matrix({{1, 1}})},
                                                {Part::kAlpha, number(6)}}),
                                      plain_context());
  ASSERT_TRUE(read.pair);  // which can be trained on and converted
  EXPECT_NEAR(read.pair->scale(), 6 / (2 + 1e-5), 1e-12);
  const at::Tensor delta = low_rank_change(*read.pair).edit(at::zeros({1, 2}), 1);
  EXPECT_LT(distance(delta, matrix({{-1, 0}}) * (6 / (2 + 1e-5))), 1e-6);
}

TEST(Tucker, IsTheConvolutionsOneAfterTheOther) {
  const at::Tensor down = random_values({2, 3, 1, 1}, 1), mid = random_values({2, 2, 3, 3}, 2),
                   up = random_values({4, 2, 1, 1}, 3), x = random_values({1, 3, 5, 5}, 4);
  const at::Tensor delta =
      difference_for({{Part::kA, down}, {Part::kMid, mid}, {Part::kB, up}}, at::zeros({4, 3, 3, 3}));
  const at::Tensor chained = at::conv2d(at::conv2d(at::conv2d(x, down), mid), up);
  EXPECT_LT(distance(at::conv2d(x, delta), chained), 1e-5);
}

TEST(Loha, IsTheProductElementByElement) {
  const at::Tensor delta = difference_for({{Part::kLohaW1A, matrix({{1, 0}, {0, 1}})},
                                           {Part::kLohaW1B, matrix({{1, 2}, {3, 4}})},
                                           {Part::kLohaW2A, matrix({{.5, 0}, {0, .5}})},
                                           {Part::kLohaW2B, matrix({{1, 1}, {2, 2}})},
                                           {Part::kAlpha, number(1)}},
                                          at::zeros({2, 2}));
  EXPECT_EQ(distance(delta, matrix({{.25, .5}, {1.5, 2}})), 0);
}

TEST(Loha, MayHaveACoreInEachFactor) {
  const at::Tensor core = random_values({2, 2, 3, 3}, 1), a = random_values({2, 4}, 2),
                   b = random_values({2, 3}, 3);
  const at::Tensor delta = difference_for({{Part::kLohaW1A, a},
                                           {Part::kLohaW1B, b},
                                           {Part::kLohaT1, core},
                                           {Part::kLohaW2A, a},
                                           {Part::kLohaW2B, b},
                                           {Part::kLohaT2, core}},
                                          at::zeros({4, 3, 3, 3}));
  const at::Tensor factor = at::einsum("ijkl,io,jc->ockl", {core, a, b});
  EXPECT_LT(distance(delta, factor * factor), 1e-4);
}

TEST(Lokr, IsTheKroneckerProduct) {
  const at::Tensor delta = difference_for({{Part::kLokrW1, matrix({{1, 2}, {3, 4}})},
                                           {Part::kLokrW2A, matrix({{1}, {2}})},
                                           {Part::kLokrW2B, matrix({{1, -1}})},
                                           {Part::kAlpha, number(.5)}},
                                          at::zeros({4, 4}));
  EXPECT_EQ(distance(delta, matrix({{.5, -.5, 1, -1}, {1, -1, 2, -2}, {1.5, -1.5, 2, -2}, {3, -3, 4, -4}})),
            0);
}

TEST(Lokr, OfTwoWholeFactorsTakesNoAlpha) {
  const at::Tensor first = random_values({2, 3}, 1), second = random_values({2, 4, 3, 3}, 2);
  const at::Tensor delta = difference_for(
      {{Part::kLokrW1, first}, {Part::kLokrW2, second}, {Part::kAlpha, number(7)}}, at::zeros({4, 12, 3, 3}));
  EXPECT_LT(distance(delta, at::kron(first.unsqueeze(2).unsqueeze(3), second)), 1e-6);
}

TEST(Glora, AddsToTheWeightAndMixesItsInputs) {
  const at::Tensor w = random_values({4, 3}, 1), a1 = random_values({3, 2}, 2), a2 = random_values({2, 3}, 3),
                   b1 = random_values({4, 2}, 4), b2 = random_values({2, 3}, 5);
  const at::Tensor expected = 0.5 * (at::mm(b1, b2) + at::mm(at::mm(w, a1), a2));
  const at::Tensor half = number(1);  // of rank 2
  const auto glora = [&](const at::Tensor& first, const at::Tensor& second, const at::Tensor& third,
                         const at::Tensor& fourth) {
    return difference_for({{Part::kGloraA1, first},
                           {Part::kGloraA2, second},
                           {Part::kGloraB1, third},
                           {Part::kGloraB2, fourth},
                           {Part::kAlpha, half}},
                          w);
  };
  EXPECT_LT(distance(glora(a1, a2, b1, b2), expected), 1e-5);
  EXPECT_LT(distance(glora(a2, a1, b2, b1), expected), 1e-5);  // as until 2023
}

TEST(Glora, TellsTheOrderOfItsFactorsForASquareWeight) {
  const at::Tensor w = random_values({5, 5}, 1), a1 = random_values({5, 2}, 2), a2 = random_values({2, 5}, 3),
                   b1 = random_values({5, 2}, 4), b2 = random_values({2, 5}, 5);
  const at::Tensor expected = at::mm(b1, b2) + at::mm(at::mm(w, a1), a2);
  for (const Tensors& tensors :
       {Tensors{{Part::kGloraA1, a1}, {Part::kGloraA2, a2}, {Part::kGloraB1, b1}, {Part::kGloraB2, b2}},
        Tensors{{Part::kGloraA1, a2}, {Part::kGloraA2, a1}, {Part::kGloraB1, b2}, {Part::kGloraB2, b1}}})
    EXPECT_LT(distance(difference_for(tensors, w), expected), 1e-5);
}

TEST(Glora, MixesTheInputsOfAConvolution) {
  const at::Tensor w = random_values({4, 3, 3, 3}, 1), a1 = random_values({3, 2, 1, 1}, 2),
                   a2 = random_values({2, 3, 1, 1}, 3), b1 = random_values({4, 2, 1, 1}, 4),
                   b2 = random_values({2, 3, 3, 3}, 5), x = random_values({1, 3, 5, 5}, 6);
  const at::Tensor delta = difference_for(
      {{Part::kGloraA1, a1}, {Part::kGloraA2, a2}, {Part::kGloraB1, b1}, {Part::kGloraB2, b2}}, w);
  const at::Tensor expected =
      at::conv2d(at::conv2d(x, b2), b1) + at::conv2d(at::conv2d(at::conv2d(x, a2), a1), w);
  EXPECT_LT(distance(at::conv2d(x, delta), expected), 1e-4);
}

TEST(Products, RefuseShapesThatDoNotGoTogether) {
  const at::Tensor two = at::ones({2, 2}), three = at::ones({3, 3});
  for (const Tensors& tensors :
       {Tensors{{Part::kA, two}, {Part::kB, three}}, Tensors{{Part::kA, two}},
        Tensors{{Part::kA, two}, {Part::kB, two}, {Part::kMid, at::ones({2, 3, 3, 3})}},
        Tensors{{Part::kA, two}, {Part::kB, two}, {Part::kSingular, at::ones({3, 1})}},
        Tensors{{Part::kLohaW1A, two}, {Part::kLohaW1B, two}, {Part::kLohaW2A, two}},
        Tensors{
            {Part::kLohaW1A, two}, {Part::kLohaW1B, two}, {Part::kLohaW2A, three}, {Part::kLohaW2B, three}},
        Tensors{{Part::kLokrW1, two}, {Part::kLokrW2A, two}, {Part::kLokrW2B, three}},
        Tensors{{Part::kLokrW1, two}},
        Tensors{{Part::kGloraA1, two}, {Part::kGloraA2, three}, {Part::kGloraB1, two}, {Part::kGloraB2, two}},
        Tensors{{Part::kA, at::ones({2})}, {Part::kB, two}}})
    EXPECT_THROW(read_module(parts_of(tensors), plain_context()), Error);
}

}  // namespace
}  // namespace sdlora::lora
