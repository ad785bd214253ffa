#include "model/loading/weight_source.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "common/error.h"
#include "model/loading/canonical_names.h"
#include "tests/support/error_of.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

WeightSource source_of(const std::vector<fs::path>& files) {
  return {weights_in(files), "the model", {}};
}

class WeightSources : public testing::Test {
 protected:
  fs::path directory = fs::path(testing::TempDir()) / "weight_source_test";

  void SetUp() override {
    fs::remove_all(directory);
    fs::create_directories(directory);
  }

  fs::path write(const std::string& name, const checkpoint::NamedTensors& tensors) {
    checkpoint::write_safetensors(directory / name, tensors);
    return directory / name;
  }
};

TEST_F(WeightSources, GiveTensorsByTheirPlaceInTheTree) {
  const WeightSource weights =
      source_of({write("model.safetensors", {{"a.0.weight", at::arange(6, at::kFloat).view({2, 3})}})});
  EXPECT_TRUE(weights.at("a").at(0).has("weight"));
  EXPECT_EQ(weights.at("a").at(0).tensor("weight", {2, 3})[1][2].item<float>(), 5);
  weights.finish();
}

TEST_F(WeightSources, ConvertHalfPrecisionOnce) {
  const WeightSource weights =
      source_of({write("model.safetensors", {{"w", at::full({4}, 0.5, at::kHalf)}})});
  const at::Tensor w = weights.tensor("w", {4});
  EXPECT_EQ(w.scalar_type(), at::kFloat);
  EXPECT_EQ(w[0].item<float>(), 0.5f);
}

TEST_F(WeightSources, MapTheFileInsteadOfCopying) {
  const fs::path file = write("model.safetensors", {{"w", at::zeros({4})}});
  const WeightSource one = source_of({file});
  EXPECT_EQ(one.tensor("w", {4}).data_ptr(), one.tensor("w", {4}).data_ptr());
}

TEST_F(WeightSources, TakeAOneByOneConvolutionAsTheMatrixItIs) {
  const WeightSource weights = source_of(
      {write("model.safetensors", {{"conv", at::ones({2, 3, 1, 1})}, {"linear", at::ones({2, 3})}})});
  EXPECT_EQ(weights.matrix("conv", 2, 3).dim(), 2);
  EXPECT_EQ(weights.matrix("linear", 2, 3).dim(), 2);
  weights.finish();
}

TEST_F(WeightSources, ListMissingMisshapenAndUnexpectedTensorsInOneError) {
  const WeightSource weights =
      source_of({write("model.safetensors", {{"wrong", at::ones({2})}, {"extra", at::ones({1})}})});
  weights.tensor("absent", {1});
  weights.tensor("wrong", {3});
  try {
    weights.finish();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
    EXPECT_THAT(error.what(), HasSubstr("absent"));
    EXPECT_THAT(error.what(), HasSubstr("wrong is [2], wanted [3]"));
    EXPECT_THAT(error.what(), HasSubstr("extra"));
  }
}

TEST_F(WeightSources, RefuseATensorThatTwoFilesHold) {
  const fs::path first = write("a.safetensors", {{"w", at::ones({1})}});
  const fs::path second = write("b.safetensors", {{"w", at::ones({1})}});
  EXPECT_THROW(source_of({first, second}), Error);
}

std::string refusal_by(const WeightSource& weights) {
  return message_of_error(ExitCode::kBadData, [&] { weights.finish(); });
}

TEST_F(WeightSources, NameEveryTensorWithValuesThatAreNoNumbers) {
  at::Tensor nan = at::zeros({2, 3}), infinite = at::zeros({4}, at::kHalf);
  nan[1][2] = std::nan("");
  infinite.slice(0, 1, 3) = INFINITY;
  const fs::path file =
      write("model.safetensors", {{"a.nan", nan}, {"a.infinite", infinite}, {"good", at::ones({3})}});
  const WeightSource weights = source_of({file});
  weights.at("a").tensor("nan", {2, 3});
  weights.at("a").tensor("infinite", {4});
  weights.tensor("good", {3});
  const std::string message = refusal_by(weights);
  for (const char* part : {"2 tensor(s)", "a.nan: 1 of 6 values", "a.infinite: 2 of 4 values", file.c_str()})
    EXPECT_THAT(message, HasSubstr(part));
  EXPECT_THAT(message, Not(HasSubstr("good")));
}

TEST_F(WeightSources, RefuseIntegersAsQuantised) {
  const WeightSource weights = source_of({write("model.safetensors", {{"w", at::ones({3}, at::kChar)}})});
  weights.tensor("w", {3});
  EXPECT_THAT(refusal_by(weights), AllOf(HasSubstr("quantised"), HasSubstr("w is Char")));
}

TEST_F(WeightSources, LeaveOutWhatThePartDoesNotUse) {
  const auto weights_with = [this](checkpoint::NamedTensors more) {
    more.merge(checkpoint::NamedTensors{{"a", at::ones({1})},
                                        {"vision_model.b.c", at::ones({1}, at::kLong)},
                                        {"vision_model.d", at::ones({1})}});
    const WeightSource weights(canonical_text_encoder(weights_in({write("model.safetensors", more)})),
                               "the model", {});
    weights.tensor("a", {1});
    return weights;
  };
  EXPECT_THAT(refusal_by(weights_with({{"vision_models", at::ones({1})}})),
              AllOf(HasSubstr("1 unexpected"), HasSubstr("vision_models")));
  weights_with({}).finish();
}

}  // namespace
}  // namespace sdlora::model
