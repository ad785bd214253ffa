#include "model/loading/weight_source.h"

#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "common/error.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

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

}  // namespace
}  // namespace sdlora::model
