#include "trainer/step/gradient_reducer.h"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/seeds.h"

namespace sdlora::trainer {
namespace {

constexpr int64_t kParameters = 1000;

at::Tensor gradient(uint64_t seed) {
  return at::randn({kParameters}, generator_for(seed), at::kFloat) * 1e-4;
}

class EveryReducer : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<comm::Communicator> alone = comm::make_single_process_communicator();
  std::unique_ptr<GradientReducer> reducer = std::string(GetParam()) == "exact"
                                                 ? make_exact_reducer(kParameters, at::kCPU)
                                                 : make_plain_reducer(kParameters, at::kCPU);
};

TEST_P(EveryReducer, GivesTheMeanOverTheMicroBatches) {
  reducer->reset();
  at::Tensor sum = at::zeros({kParameters}, at::kDouble);
  for (uint64_t i = 0; i < 4; ++i) {
    reducer->add(gradient(i), at::scalar_tensor(static_cast<float>(i), at::kFloat));
    sum += gradient(i).to(at::kDouble);
  }
  const ReducedStep reduced = reducer->reduce(*alone, 4);
  EXPECT_LT(((reduced.gradients - sum / 4).norm() / (sum / 4).norm()).item<double>(), 1e-7);
  EXPECT_FLOAT_EQ(static_cast<float>(reduced.loss), 1.5f);
  EXPECT_TRUE(reduced.is_finite);
  EXPECT_FALSE(reduced.stop_was_requested);
}

TEST_P(EveryReducer, ReportsAGradientThatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    reducer->reset();
    at::Tensor poisoned = gradient(1);
    poisoned[17] = bad;
    reducer->add(gradient(0), at::scalar_tensor(1.0f, at::kFloat));
    reducer->add(poisoned, at::scalar_tensor(1.0f, at::kFloat));
    const ReducedStep reduced = reducer->reduce(*alone, 2);
    EXPECT_FALSE(reduced.is_finite);
    EXPECT_EQ(reduced.nonfinite_loss_count, 0);
  }
}

TEST_P(EveryReducer, CountsLossesThatAreNotFinite) {
  reducer->reset();
  reducer->add(gradient(0), at::scalar_tensor(std::numeric_limits<float>::quiet_NaN(), at::kFloat));
  reducer->add(gradient(0), at::scalar_tensor(1.0f, at::kFloat));
  const ReducedStep reduced = reducer->reduce(*alone, 2);
  EXPECT_FALSE(reduced.is_finite);
  EXPECT_EQ(reduced.nonfinite_loss_count, 1);
  EXPECT_FALSE(std::isfinite(reduced.loss));
}

TEST_P(EveryReducer, TellsOfEachMicroBatchWhetherItWillBeSkipped) {
  const at::Tensor one = at::scalar_tensor(1.0f, at::kFloat);
  at::Tensor poisoned = gradient(1);
  poisoned[17] = -std::numeric_limits<float>::infinity();
  const at::Tensor nan = at::scalar_tensor(std::numeric_limits<float>::quiet_NaN(), at::kFloat);
  const at::Tensor first = reducer->add(gradient(0), one);
  EXPECT_FALSE(reducer->add(poisoned, one).item<bool>());
  EXPECT_FALSE(reducer->add(gradient(0), nan).item<bool>());
  EXPECT_TRUE(reducer->add(gradient(0), one).item<bool>());
  EXPECT_TRUE(first.item<bool>()) << "an answer that is read later is still that of its micro-batch";
}

TEST_P(EveryReducer, CarriesAStopRequestAndForgetsItAtReset) {
  reducer->reset();
  reducer->add(gradient(0), at::scalar_tensor(1.0f, at::kFloat));
  reducer->request_stop();
  EXPECT_TRUE(reducer->reduce(*alone, 1).stop_was_requested);
  reducer->reset();
  reducer->add(gradient(0), at::scalar_tensor(1.0f, at::kFloat));
  EXPECT_FALSE(reducer->reduce(*alone, 1).stop_was_requested);
}

INSTANTIATE_TEST_SUITE_P(Reductions, EveryReducer, testing::Values("exact", "fp32"),
                         [](const auto& reduction) { return std::string(reduction.param); });

TEST(ExactReducer, TakesALossThatIsTooLargeToBeSummedForOneThatIsNotFinite) {
  const auto alone = comm::make_single_process_communicator();
  const auto reducer = make_exact_reducer(kParameters, at::kCPU);
  reducer->reset();
  EXPECT_TRUE(reducer->add(gradient(0), at::scalar_tensor(1.0f, at::kFloat)).item<bool>());
  EXPECT_FALSE(reducer->add(gradient(0), at::scalar_tensor(1e5f, at::kFloat)).item<bool>());
  const ReducedStep reduced = reducer->reduce(*alone, 2);
  EXPECT_FALSE(reduced.is_finite);
  EXPECT_EQ(reduced.nonfinite_loss_count, 1);
  EXPECT_TRUE(std::isnan(reduced.loss)) << "the mean of the rest would pass for the loss";
}

TEST(ExactReducer, GivesTheSameBytesInAnyOrder) {
  const auto alone = comm::make_single_process_communicator();
  const auto sum_in_order = [&](const std::vector<uint64_t>& order) {
    const auto reducer = make_exact_reducer(kParameters, at::kCPU);
    reducer->reset();
    for (const uint64_t i : order)
      reducer->add(gradient(i), at::scalar_tensor(0.1f * static_cast<float>(i), at::kFloat));
    return reducer->reduce(*alone, static_cast<int64_t>(order.size()));
  };
  const ReducedStep forward = sum_in_order({0, 1, 2, 3, 4, 5}), mixed = sum_in_order({5, 2, 0, 4, 1, 3});
  EXPECT_TRUE(at::equal(forward.gradients, mixed.gradients));
  EXPECT_EQ(forward.loss, mixed.loss);
}

}  // namespace
}  // namespace sdlora::trainer
