#include "comm/exact_sum.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "comm/fixed_point.h"
#include "common/error.h"
#include "common/seeds.h"

namespace sdlora::comm {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();

// Gradients as training makes them: normal, with a standard deviation of its own for each element, 1e-16
// to 10.
std::vector<at::Tensor> gradients(int64_t term_count, int64_t element_count) {
  at::Generator generator = generator_for(11);
  const at::Tensor scale = at::pow(10.0, at::rand({element_count}, generator) * 17 - 16);
  std::vector<at::Tensor> terms;
  for (int64_t i = 0; i < term_count; ++i)
    terms.push_back((at::randn({element_count}, generator) * scale).to(at::kFloat));
  return terms;
}

ExactSum sum_of(const std::vector<at::Tensor>& terms) {
  ExactSum sum(terms.front().numel(), 0, at::kCPU);
  for (const at::Tensor& term : terms) sum.add(0, term);
  return sum;
}

float total_of(const std::vector<float>& terms) {
  ExactSum sum(1, 0, at::kCPU);
  for (const float term : terms) sum.add(0, at::full({1}, term));
  EXPECT_EQ(sum.out_of_range_count(), 0);
  return sum.totals().item<float>();
}

TEST(ExactSum, DoesNotDependOnTheOrderOfTheTerms) {
  std::vector<at::Tensor> terms = gradients(24, 5000);
  ExactSum reference = sum_of(terms);
  std::mt19937 random(3);
  for (int trial = 0; trial < 10; ++trial) {
    std::shuffle(terms.begin(), terms.end(), random);
    ExactSum sum = sum_of(terms);
    ASSERT_TRUE(sum.words().equal(reference.words()));
    ASSERT_TRUE(sum.totals().equal(reference.totals()));
  }
}

TEST(ExactSum, DoesNotDependOnHowRanksShareTheTerms) {
  const std::vector<at::Tensor> terms = gradients(24, 5000);
  ExactSum reference = sum_of(terms);
  for (const size_t rank_count : {2, 3, 4, 6, 12, 24}) {
    ExactSum world(5000, 0, at::kCPU);
    for (size_t rank = 0; rank < rank_count; ++rank) {
      ExactSum share(5000, 0, at::kCPU);
      for (size_t i = rank; i < terms.size(); i += rank_count) share.add(0, terms[i]);
      world.words().add_(share.words());  // what the all-reduce does
    }
    ASSERT_TRUE(world.totals().equal(reference.totals())) << rank_count << " ranks";
  }
}

TEST(ExactSum, DoesNotDependOnHowTheTermsAreGrouped) {
  const std::vector<at::Tensor> terms = gradients(24, 2000);
  const ExactSum reference = sum_of(terms);
  std::mt19937 random(5);
  for (int trial = 0; trial < 10;
       ++trial) {  // any tree: two random partial sums become one until one is left
    std::vector<ExactSum> partial_sums;
    for (const at::Tensor& term : terms) partial_sums.push_back(sum_of({term}));
    while (partial_sums.size() > 1) {
      std::shuffle(partial_sums.begin(), partial_sums.end(), random);
      partial_sums[partial_sums.size() - 2].words().add_(partial_sums.back().words());
      partial_sums.pop_back();
    }
    ASSERT_TRUE(partial_sums.front().totals().equal(reference.totals()));
  }
}

TEST(ExactSum, IsTheExactSumRoundedOnceAtEveryMagnitude) {
  // Terms from 2^-57 to 2^16 side by side, half of them cancelled by others: 128 bits hold their sum exactly.
  __extension__ using Int128 = __int128;
  std::mt19937_64 random(7);
  std::uniform_real_distribution<float> mantissa(1, 2);
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<float> terms;
    for (int i = 0; i < 16; ++i) {
      const float term =
          std::ldexp(mantissa(random), static_cast<int>(random() % 72) - 57) * (i % 2 ? 1.0F : -1.0F);
      terms.push_back(term);
      if (random() % 2 == 0) terms.push_back(-std::nextafter(term, 0.0F));
    }
    std::shuffle(terms.begin(), terms.end(), random);
    Int128 quanta = 0;
    for (const float term : terms) quanta += static_cast<Int128>(std::ldexp(static_cast<double>(term), 80));
    ASSERT_EQ(total_of(terms), std::ldexp(static_cast<float>(quanta), -80)) << "trial " << trial;
  }
}

TEST(ExactSum, DoesNotDependOnTheNumberOfThreads) {
  const int threads_before = at::get_num_threads();
  const std::vector<at::Tensor> terms = gradients(3, 200'001);
  at::set_num_threads(1);
  const at::Tensor alone = sum_of(terms).totals();
  at::set_num_threads(2);
  const at::Tensor together = sum_of(terms).totals();
  at::set_num_threads(threads_before);
  EXPECT_TRUE(alone.equal(together));
}

TEST(ExactSum, IsAtLeastAsAccurateAsFp32) {
  const std::vector<at::Tensor> terms = gradients(64, 20'000);
  at::Tensor in_fp32 = at::zeros({20'000}), in_fp64 = at::zeros({20'000}, at::kDouble);
  for (const at::Tensor& term : terms) {
    in_fp32.add_(term);
    in_fp64.add_(term.to(at::kDouble));
  }
  const at::Tensor error = (sum_of(terms).totals().to(at::kDouble) - in_fp64).abs();
  const at::Tensor error_of_fp32 = (in_fp32.to(at::kDouble) - in_fp64).abs();
  // Element by element half a unit in the last place, give or take the last bits of the fp64 reference
  EXPECT_TRUE(error.le(in_fp64.abs() * 0x1.001p-24 + 1e-22).all().item<bool>());
  EXPECT_LT(error.div(in_fp64.abs()).mean().item<double>(),
            0.5 * error_of_fp32.div(in_fp64.abs()).mean().item<double>());
}

TEST(ExactSum, RemembersTheSmallBesideTheLarge) {
  EXPECT_EQ(total_of({60000.0F, 1e-20F, -60000.0F}), total_of({1e-20F}));
  EXPECT_EQ(total_of({1.0F, 0x1p-60F, -1.0F}), 0x1p-60F);
  EXPECT_EQ(total_of({0x1p15F, 0x1p-57F, -0x1p15F, -0x1p-57F}), 0.0F);
}

TEST(ExactSum, TermsBelowTheQuantumAreRoundedEachByItself) {
  EXPECT_EQ(total_of({0x1p-80F}), 0x1p-80F);
  EXPECT_EQ(total_of({0x1p-81F}), 0.0F);  // a tie goes to the even zero
  EXPECT_EQ(total_of({0x1.8p-80F}), 0x1p-79F);
  EXPECT_EQ(total_of({std::numeric_limits<float>::denorm_min(), 1.0F, std::numeric_limits<float>::min()}),
            1.0F);
}

TEST(ExactSum, SumsBeyondTheLimitOfOneTermAreHeld) {
  EXPECT_EQ(total_of(std::vector<float>(1000, 65000.0F)), 65.0e6F);
  EXPECT_EQ(total_of(std::vector<float>(1000, -65000.0F)), -65.0e6F);
}

TEST(ExactSum, CountsWhatIsNotFiniteOrTooLargeAndDoesNotAddIt) {
  ExactSum sum(8, 0, at::kCPU);
  sum.add(0, at::ones({8}));
  sum.add(0, at::tensor({1.0F, kNotANumber, kInfinity, -kInfinity, 65536.0F, -65536.0F, 65535.0F, -0.0F}));
  EXPECT_EQ(sum.out_of_range_count(), 5);
  EXPECT_TRUE(sum.totals().equal(at::tensor({2.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 65536.0F, 1.0F})));
  sum.reset();
  EXPECT_EQ(sum.out_of_range_count(), 0);
  EXPECT_TRUE(sum.totals().equal(at::zeros({8})));
}

TEST(ExactSum, CountsOverSeveralThreadsWithoutLoss) {
  ExactSum sum(300'000, 0, at::kCPU);
  sum.add(0, at::full({300'000}, kNotANumber));
  EXPECT_EQ(sum.out_of_range_count(), 300'000);
}

TEST(ExactSum, AddsToTheElementsItIsToldTo) {
  ExactSum sum(6, 0, at::kCPU);
  sum.add(1, at::ones({2}));
  sum.add(2, at::ones({2, 2}).t());
  EXPECT_TRUE(sum.totals().equal(at::tensor({0.0F, 1.0F, 2.0F, 1.0F, 1.0F, 1.0F})));
}

TEST(ExactSum, CountersTravelWithTheSums) {
  ExactSum one(3, 2, at::kCPU), other(3, 2, at::kCPU);
  one.add_to_counter(0, 5);
  one.add_to_counter(1, -1);
  other.add_to_counter(1, at::scalar_tensor(10, at::kLong));
  one.words().add_(other.words());
  EXPECT_EQ(one.counter(0), 5);
  EXPECT_EQ(one.counter(1), 9);
  EXPECT_EQ(one.out_of_range_count(), 0);
}

TEST(ExactSum, RefusesTermsThatDoNotBelong) {
  ExactSum sum(4, 1, at::kCPU);
  EXPECT_THROW(sum.add(0, at::ones({4}, at::kDouble)), Error);
  EXPECT_THROW(sum.add(2, at::ones({3})), Error);
  EXPECT_THROW(sum.add(-1, at::ones({3})), Error);
  EXPECT_THROW(sum.add_to_counter(1, 1), Error);
  EXPECT_THROW(sum.add_to_counter(-2, 1), Error);
}

}  // namespace
}  // namespace sdlora::comm
