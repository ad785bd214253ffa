#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/lora/kinds/parts_of.h"
#include "tests/support/random_values.h"

namespace sdlora::lora {
namespace {

const at::Tensor kWeight = matrix({{3, 0, 4}, {0, 2, 0}});
const at::Tensor kDown = matrix({{1, 0, 1}}), kUp = matrix({{.5}, {-.5}});

at::Tensor edited(Part part, const at::Tensor& magnitude) {
  return kWeight + difference_for({{Part::kA, kDown}, {Part::kB, kUp}, {part, magnitude}}, kWeight);
}

TEST(Dora, BringsRowsToTheirLengths) {
  const at::Tensor expected = matrix({{3.0697031, 0, 3.9467611}, {-.4714046, 1.8856182, -.4714046}});
  EXPECT_LT(distance(edited(Part::kMagnitude, matrix({{5}, {2}})), expected), 1e-6);
  EXPECT_LT(distance(edited(Part::kPeftMagnitude, at::tensor({5.F, 2.F})), expected), 1e-6);
}

TEST(Dora, BringsColumnsToTheirLengths) {
  const at::Tensor expected = matrix({{2.9698484, 0, 3.9755347}, {-.4242641, 2, -.4417261}});
  EXPECT_LT(distance(edited(Part::kMagnitude, matrix({{3, 2, 4}})), expected), 1e-6);
}

TEST(Dora, TellsTheAxisOfASquareWeight) {
  const at::Tensor weight = random_values({3, 3}, 1), magnitude = random_values({3}, 2).abs();
  const std::vector<std::pair<Part, at::Tensor>> branch{{Part::kA, at::zeros({1, 3})},
                                                        {Part::kB, at::zeros({3, 1})}};
  auto rows = branch, columns = branch;
  rows.emplace_back(Part::kMagnitude, magnitude.view({3, 1}));
  columns.emplace_back(Part::kMagnitude, magnitude.view({1, 3}));
  EXPECT_LT(distance((weight + difference_for(rows, weight)).norm(2, 1), magnitude), 1e-6);
  EXPECT_LT(distance((weight + difference_for(columns, weight)).norm(2, 0), magnitude), 1e-6);
}

TEST(Dora, OfAConvolutionMeasuresWholeKernels) {
  const at::Tensor weight = random_values({4, 3, 3, 3}, 1);
  const std::vector<std::pair<Part, at::Tensor>> branch{{Part::kA, random_values({2, 3, 3, 3}, 2)},
                                                        {Part::kB, random_values({4, 2, 1, 1}, 3)}};
  const at::Tensor outputs = random_values({4}, 4).abs(), inputs = random_values({3}, 5).abs();
  for (const auto& [part, magnitude] :
       std::vector<std::pair<Part, at::Tensor>>{{Part::kMagnitude, outputs.view({4, 1, 1, 1})},
                                                {Part::kPeftMagnitude, outputs.view({1, 4, 1, 1})}}) {
    auto tensors = branch;
    tensors.emplace_back(part, magnitude);
    EXPECT_LT(distance((weight + difference_for(tensors, weight)).flatten(1).norm(2, 1), outputs), 1e-5);
  }
  auto tensors = branch;
  tensors.emplace_back(Part::kMagnitude, inputs.view({1, 3, 1, 1}));
  const at::Tensor changed = weight + difference_for(tensors, weight);
  EXPECT_LT(distance(changed.transpose(0, 1).flatten(1).norm(2, 1), inputs), 1e-5);
}

TEST(Dora, FitsOnlyWeightsWithAsManyRowsOrColumns) {
  EXPECT_ANY_THROW(edited(Part::kMagnitude, matrix({{5}, {2}, {1}})));
  EXPECT_ANY_THROW(edited(Part::kMagnitude, matrix({{3, 2}})));
  EXPECT_THROW(edited(Part::kMagnitude, at::ones({2, 3})), Error);
}

}  // namespace
}  // namespace sdlora::lora
