#include "trainer/options/optimizer_arguments.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

OptimizerOptions telling(OptimizerKind kind, std::vector<std::string> arguments) {
  return {.kind = kind, .arguments = std::move(arguments)};
}

std::string refusal_of(OptimizerKind kind, const std::string& arguments) {
  return error_of([&] { telling(kind, {arguments}).settle(); });
}

TEST(OptimizerArguments, AreReadAsInPython) {
  const ProdigyConfig prodigy = prodigy_config(telling(
      OptimizerKind::kProdigy, {"betas=(0.8, 0.95)  safeguard_warmup=True", "decouple=False d_coef=2"}));
  EXPECT_EQ(prodigy.beta1, 0.8);
  EXPECT_EQ(prodigy.beta2, 0.95);
  EXPECT_TRUE(prodigy.guards_warmup);
  EXPECT_FALSE(prodigy.is_decay_decoupled);
  EXPECT_EQ(prodigy.d_coef, 2);
  const AdafactorConfig adafactor = adafactor_config(
      telling(OptimizerKind::kAdafactor, {"eps=[1e-20,0.01] relative_step=False beta1=0.9"}));
  EXPECT_EQ(adafactor.square_eps, 1e-20);
  EXPECT_EQ(adafactor.least_scale, 0.01);
  EXPECT_FALSE(adafactor.has_relative_step);
  EXPECT_EQ(adafactor.beta1, 0.9);
}

TEST(OptimizerArguments, OfAdamWWinOverItsOptions) {
  OptimizerOptions options = telling(OptimizerKind::kAdamW, {"weight_decay=0.5"});
  options.weight_decay = 0.1;
  options.adam_eps = 1e-6;
  EXPECT_EQ(adamw_config(options).weight_decay, 0.5);
  EXPECT_EQ(adamw_config(options).eps, 1e-6);
}

TEST(OptimizerArguments, HaveOneSpelling) {
  EXPECT_THAT(canonical_arguments({"weight_decay=0.010 betas=(0.90, 0.99)", "decouple=True"}),
              ElementsAre("betas=0.9,0.99", "decouple=true", "weight_decay=0.01"));
  EXPECT_THAT(canonical_arguments({"  nonsense  a=b "}), ElementsAre("a=b", "nonsense"));
  EXPECT_THAT(canonical_arguments({}), ElementsAre());
}

class ArgumentsOf : public testing::TestWithParam<OptimizerKind> {};

TEST_P(ArgumentsOf, AreRefusedWhereTheyDoNotFit) {
  for (const char* arguments : {"no_such=1", "weight_decay", "weight_decay=much", "=3", "weight_decay=-1",
                                "weight_decay=1 weight_decay=2", "weight_decay=1,2", "weight_decay="})
    EXPECT_THAT(refusal_of(GetParam(), arguments), HasSubstr("64 --optimizer-args does not fit --optimizer"))
        << arguments;
}

INSTANTIATE_TEST_SUITE_P(Kinds, ArgumentsOf,
                         testing::Values(OptimizerKind::kAdamW, OptimizerKind::kLion,
                                         OptimizerKind::kAdafactor, OptimizerKind::kProdigy,
                                         OptimizerKind::kScheduleFreeAdamW));

TEST(OptimizerArguments, AreRefusedWhereTheyMakeNoNumber) {
  for (const char* arguments : {"betas=0.9", "betas=1,0.99", "betas=0.9,0.99,0.999", "safeguard_warmup=maybe",
                                "d0=1e-30", "d0=1e-20 eps=1e-20"})
    EXPECT_THAT(refusal_of(OptimizerKind::kProdigy, arguments), HasSubstr("64 --optimizer-args"))
        << arguments;
  EXPECT_THAT(refusal_of(OptimizerKind::kAdafactor, "eps=0,1e-3"), HasSubstr("64 --optimizer-args"));
  EXPECT_THAT(refusal_of(OptimizerKind::kAdafactor, "warmup_init=True relative_step=False"),
              HasSubstr("warmup_init needs relative_step"));
  EXPECT_THAT(refusal_of(OptimizerKind::kScheduleFreeAdamW, "betas=0,0.9"),
              HasSubstr("divides by its first beta"));
}

TEST(OptimizerOptions, HaveOneLearningRateForProdigy) {
  OptimizerOptions options = telling(OptimizerKind::kProdigy, {});
  options.lora_plus_ratio = 16;
  EXPECT_THAT(error_of([&] { options.settle(); }), HasSubstr("64 Prodigy finds one learning rate for all"));
}

}  // namespace
}  // namespace sdlora::trainer
