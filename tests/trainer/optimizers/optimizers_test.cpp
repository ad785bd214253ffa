// What all optimisers have in common, and the numbers of each original's first steps.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/support/random_values.h"
#include "trainer/optimizers/optimizer.h"

namespace sdlora::trainer {
namespace {

using testing::HasSubstr;

OptimizerOptions options_of(OptimizerKind kind, std::vector<std::string> arguments = {}) {
  return {.kind = kind, .arguments = std::move(arguments)};
}

std::unique_ptr<Optimizer> two_values(const OptimizerOptions& options, const at::Tensor& parameters,
                                      int64_t warmup_steps = 0) {
  return make_optimizer(options, parameters,
                        {.matrices = {{.first = 0, .row_count = 1, .column_count = parameters.numel()}},
                         .warmup_steps = warmup_steps});
}

// The three gradients that the originals' numbers below are of.
std::vector<at::Tensor> three_gradients() {
  return {at::tensor({0.1F, -0.2F}), at::tensor({0.3F, -0.1F}), at::tensor({0.2F, 0.1F})};
}

void expect_near(const at::Tensor& seen, const std::vector<double>& expected, double tolerance) {
  const at::Tensor difference = seen.to(at::kDouble) - at::tensor(expected, at::kDouble);
  EXPECT_LT(difference.abs().max().item<double>(), tolerance) << seen << " instead of " << expected;
}

TEST(Lion, HasTheOriginalsNumbers) {
  at::Tensor parameters = at::tensor({1.0F, -1.0F});
  const auto lion = two_values(options_of(OptimizerKind::kLion, {"weight_decay=0.1"}), parameters);
  const std::vector<std::vector<double>> expected{{.989, -.989}, {.978011, -.978011}, {.967033, -.987033}};
  for (size_t step = 0; step < 3; ++step) {
    lion->step(three_gradients()[step], 0.01);
    expect_near(parameters, expected[step], 1e-6);
  }
  expect_near(lion->state().at("moment"), {.0059501, -.0019502}, 1e-7);
}

TEST(Prodigy, HasTheOriginalsNumbers) {
  at::Tensor parameters = at::tensor({1.0F, -1.0F});
  const auto prodigy = two_values(options_of(OptimizerKind::kProdigy), parameters);
  const std::vector<double> d{1e-6, 1.805556271e-6, 3.280535350e-6};
  const std::vector<std::vector<double>> expected{
      {.999996841, -.999996841}, {.999992967, -.999992907}, {.999984503, -.999991477}};
  for (size_t step = 0; step < 3; ++step) {
    prodigy->step(three_gradients()[step], 1);
    expect_near(parameters, expected[step], 1.2e-7);
    EXPECT_NEAR(prodigy->state().at("d").item<double>(), d[step], 2e-5 * d[step]);
  }
}

TEST(Prodigy, WaitsForALearningRate) {
  at::Tensor parameters = at::tensor({1.0F, -1.0F});
  const auto prodigy = two_values(options_of(OptimizerKind::kProdigy), parameters);
  prodigy->step(three_gradients()[0], 0);
  EXPECT_TRUE(at::equal(parameters, at::tensor({1.0F, -1.0F})));
  EXPECT_EQ(prodigy->state().at("update_count").item<double>(), 0);
}

TEST(ScheduleFreeAdamW, HasTheOriginalsNumbers) {
  at::Tensor parameters = at::tensor({1.0F, -1.0F});
  const auto free = two_values(options_of(OptimizerKind::kScheduleFreeAdamW), parameters, 2);
  const std::vector<std::vector<double>> expected{
      {.95, -.95}, {.840007424, -.898130834}, {.782990396, -.928434610}};
  for (size_t step = 0; step < 3; ++step) {
    free->step(three_gradients()[step], 0.1);
    expect_near(parameters, expected[step], 2e-7);
  }
  expect_near(free->state().at("z"), {.723290682, -.957473278}, 2e-7);
  expect_near(free->evaluation_parameters(), {.789623678, -.925208092}, 2e-7);
}

TEST(Adafactor, HasTheOriginalsNumbers) {
  const at::Tensor begin = at::tensor({0.5F, -0.5F, 0.1F, 0.2F}),
                   gradients = at::tensor({0.1F, -0.2F, 0.3F, 0.05F});
  const OptimizerSetting square{.matrices = {{.first = 0, .row_count = 2, .column_count = 2}},
                                .warmup_steps = 0};
  at::Tensor parameters = begin.clone();
  make_optimizer(options_of(OptimizerKind::kAdafactor), parameters, square)->step(gradients, 123);
  expect_near(parameters, {.4981220, -.4942386, .0958578, .1989410}, 2e-7);
  parameters = begin.clone();
  make_optimizer(options_of(OptimizerKind::kAdafactor, {"relative_step=False scale_parameter=False"}),
                 parameters, square)
      ->step(gradients, 1e-3);
  expect_near(parameters, {.4994935, -.4984463, .0988829, .1997144}, 2e-7);
}

// OneTrainer's decay of an update after k others: (1 + k) / (10 + k), at most what is asked for.
TEST(MovingAverage, FollowsWithARisingDecay) {
  at::Tensor parameters = at::tensor({1.0F, -1.0F});
  OptimizerOptions options = options_of(OptimizerKind::kAdamW);
  options.ema_decay = 0.3;
  const auto averaged = two_values(options, parameters);
  at::Tensor expected = parameters.to(at::kDouble);
  for (int k = 0; k < 8; ++k) {
    averaged->step(three_gradients()[0], 0.1);
    const double decay = std::min((1.0 + k) / (10.0 + k), 0.3);
    expected += (1 - decay) * (parameters.to(at::kDouble) - expected);
  }
  EXPECT_LT((averaged->moving_average().value() - expected).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(averaged->state().at("moving_average_count").item<double>(), 8);
  EXPECT_FALSE(two_values(options_of(OptimizerKind::kAdamW), parameters)->moving_average().has_value());
}

class AnyOptimizer : public testing::TestWithParam<OptimizerKind> {
 protected:
  std::unique_ptr<Optimizer> make(const at::Tensor& parameters) const {
    OptimizerOptions options = options_of(GetParam());
    options.ema_decay = 0.99;
    return make_optimizer(options, parameters,
                          {.matrices = {{.first = 0, .row_count = 4, .column_count = 40},
                                        {.first = 160, .row_count = 30, .column_count = 4}},
                           .warmup_steps = 3});
  }

  static constexpr int64_t kCount = 280;
};

TEST_P(AnyOptimizer, GoesOnFromItsSavedStateToTheBit) {
  at::Tensor straight = random_values({kCount}, 2);
  const auto first = make(straight);
  for (uint64_t t = 0; t < 5; ++t) first->step(random_values({kCount}, 10 + t), 1e-3);

  const at::Tensor resumed = first->evaluation_parameters().clone();  // what a file has
  const auto second = make(resumed);
  checkpoint::NamedTensors saved;
  for (const auto& [name, tensor] : first->state()) saved[name] = tensor.clone();
  second->load(saved);
  EXPECT_TRUE(at::equal(straight, resumed));
  for (uint64_t t = 5; t < 9; ++t) {
    first->step(random_values({kCount}, 10 + t), 1e-3);
    second->step(random_values({kCount}, 10 + t), 1e-3);
  }
  EXPECT_TRUE(at::equal(straight, resumed));
  EXPECT_TRUE(at::equal(first->evaluation_parameters(), second->evaluation_parameters()));
}

TEST_P(AnyOptimizer, CountsAsAChangeOfTheViewsOfItsParameters) {
  at::Tensor parameters = random_values({kCount}, 1);
  const at::Tensor view = parameters.narrow(0, 0, 10);
  const int64_t version = view._version();
  make(parameters)->step(random_values({kCount}, 2), 1e-2);
  EXPECT_GT(view._version(), version);
}

TEST_P(AnyOptimizer, LeavesTheGradientsAlone) {
  at::Tensor parameters = random_values({kCount}, 1);
  const at::Tensor gradients = random_values({kCount}, 2);
  make(parameters)->step(gradients, 1e-2);
  EXPECT_TRUE(at::equal(gradients, random_values({kCount}, 2)));
}

TEST_P(AnyOptimizer, ShowsItsEvaluationParametersForAWhile) {
  at::Tensor parameters = random_values({kCount}, 1);
  const auto optimizer = make(parameters);
  for (uint64_t t = 0; t < 3; ++t) optimizer->step(random_values({kCount}, 10 + t), 1e-2);
  const at::Tensor trained = parameters.clone(), expected = optimizer->evaluation_parameters().clone();
  {
    const ShownParameters shown(optimizer->evaluation_parameters(), parameters);
    EXPECT_TRUE(at::equal(parameters, expected));
  }
  EXPECT_TRUE(at::equal(parameters, trained));
}

TEST_P(AnyOptimizer, RefusesTheStateOfAnotherAdapter) {
  at::Tensor parameters = random_values({kCount}, 1);
  const auto optimizer = make(parameters);
  checkpoint::NamedTensors state = optimizer->state();
  state.begin()->second = at::zeros({3, 3, 3});
  EXPECT_THAT(error_of([&] { optimizer->load(state); }), HasSubstr("65 the checkpoint's optimiser state"));
  EXPECT_THAT(error_of([&] { optimizer->load({}); }), HasSubstr("nothing of that name"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, AnyOptimizer,
                         testing::Values(OptimizerKind::kAdamW, OptimizerKind::kLion,
                                         OptimizerKind::kAdafactor, OptimizerKind::kProdigy,
                                         OptimizerKind::kScheduleFreeAdamW),
                         [](const testing::TestParamInfo<OptimizerKind>& kind) {
                           std::string name = word_of(kind.param, optimizer_words());
                           std::erase(name, '-');
                           return name;
                         });

TEST(LearningRates, AreThoseOfTheNextStep) {
  at::Tensor parameters = random_values({8}, 1);
  EXPECT_EQ(two_values(options_of(OptimizerKind::kAdamW), parameters)->rate_of_next_step(0.3), 0.3);
  const auto free = two_values(options_of(OptimizerKind::kScheduleFreeAdamW), parameters, 4);
  EXPECT_EQ(free->rate_of_next_step(0.4), 0.1);
  free->step(random_values({8}, 2), 0.4);
  EXPECT_EQ(free->rate_of_next_step(0.4), 0.2);
  EXPECT_EQ(two_values(options_of(OptimizerKind::kProdigy), parameters)->rate_of_next_step(2), 2e-6);
  EXPECT_EQ(two_values(options_of(OptimizerKind::kAdafactor), parameters)->rate_of_next_step(2), 0.01);
  EXPECT_EQ(two_values(options_of(OptimizerKind::kAdafactor, {"relative_step=false"}), parameters)
                ->rate_of_next_step(2),
            2);
}

}  // namespace
}  // namespace sdlora::trainer
