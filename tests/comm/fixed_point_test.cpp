#include "comm/fixed_point.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "comm/fixed_point_ops.h"

namespace sdlora::comm::fixed_point {
namespace {

__extension__ using Int128 = __int128;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();

struct Words {
  std::vector<int64_t> high;
  std::vector<int64_t> low;
};

// The definition, one term at a time.
Int128 quanta_of(float term) {
  return static_cast<Int128>(std::nearbyint(std::ldexp(static_cast<double>(term), 80)));
}

Int128 value_of(int64_t high, int64_t low) {
  return static_cast<Int128>(high) * (Int128{1} << kLowBits) + low;
}

// The conversion of 128-bit integers rounds once, to nearest, ties to even.
float rounded(Int128 quanta) {
  return std::ldexp(static_cast<float>(quanta), kQuantumExponent);
}

// Random bit patterns meet every exponent, denormals and non-finite values included.
std::vector<float> floats_of_every_kind(size_t count) {
  std::mt19937 random(20250101);
  std::vector<float> values{0.0F,      -0.0F,    kInfinity,       -kInfinity,      kNotANumber, 65536.0F,
                            -65536.0F, 65535.9F, 0x1p-57F,        -0x1p-80F,       0x1p-81F,    0x1.8p-80F,
                            -0x1p-81F, 0x1p-82F, 0x1.000002p-80F, 0x1p-33F,        0x1.8p-32F,  0x1p-149F,
                            1.0F,      -1.0F,    0x1.fffffep15F,  -0x1.fffffep15F, 0x1.8p-33F,  -0x1.8p-33F};
  while (values.size() < count) values.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  return values;
}

// Words as they come out of many additions: of every magnitude, and where roundings are close calls.
Words words_of_every_kind(size_t count) {
  std::mt19937_64 random(7);
  Words words;
  for (size_t i = 0; i < count; ++i) {
    int64_t high = static_cast<int64_t>(random()) >> (1 + random() % 63);
    int64_t low = static_cast<int64_t>(random()) >> (2 + random() % 62);
    if (i % 3 == 0) high = (high >> 30 << 30) + static_cast<int64_t>(random() % 3) - 1;
    if (i % 5 == 0) low = (low >> 47 << 47) + static_cast<int64_t>(random() % 3) - 1;
    words.high.push_back(high);
    words.low.push_back(low);
  }
  const Words edges{
      {0, -1, -1, 1, 1, -1, 0, 0, 1 << 24, 1 << 25, (1 << 24) + 1, -(1 << 24) - 1, 0x1000001000000},
      {0, (int64_t{1} << 48) - 1, 1, -1, -(int64_t{1} << 48), int64_t{1} << 48, 1, -1, 1, -1, 0, 0, 1}};
  words.high.insert(words.high.end(), edges.high.begin(), edges.high.end());
  words.low.insert(words.low.end(), edges.low.begin(), edges.low.end());
  return words;
}

at::Tensor tensor_of(std::vector<int64_t>& values) {
  return at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kLong);
}

TEST(FixedPoint, EveryTermIsTheNearestNumberOfQuanta) {
  for (const float term : floats_of_every_kind(200'000)) {
    int64_t high = 0, low = 0;
    const int64_t refused = add_terms(&term, 1, &high, &low);
    ASSERT_EQ(refused, std::fabs(term) < 65536.0F ? 0 : 1) << term;
    ASSERT_TRUE(value_of(high, low) == (refused != 0 ? Int128{0} : quanta_of(term))) << std::hexfloat << term;
    ASSERT_LE(std::abs(low), int64_t{1} << 47) << std::hexfloat << term;
    ASSERT_LT(std::abs(high), int64_t{1} << 48) << std::hexfloat << term;
  }
}

TEST(FixedPoint, TermsFromTheLimitOfExactnessUpKeepEveryBit) {
  for (const float term :
       {0x1p-57F, 0x1.fffffep-57F, -0x1.000002p-57F, 3.14159274F, -0x1.fffffep15F, 1e-14F}) {
    int64_t high = 0, low = 0;
    add_terms(&term, 1, &high, &low);
    EXPECT_EQ(rounded(value_of(high, low)), term);
  }
}

TEST(FixedPoint, TheMostTermsOfTheLargestSizeDoNotOverflow) {
  const float largest = std::nextafter(kTermLimit, 0.0F);
  const float fullest_low = 0x1.fffffep-33F;  // its low word is nearly 2^47
  for (const float term : {largest, -largest, fullest_low, -fullest_low}) {
    int64_t high = 0, low = 0;
    for (int64_t i = 0; i < kMaxTerms; ++i) add_terms(&term, 1, &high, &low);
    ASSERT_TRUE(value_of(high, low) == quanta_of(term) * kMaxTerms);
    float sum = 0;
    round_sums(&high, &low, 1, &sum);
    EXPECT_EQ(sum, term * static_cast<float>(kMaxTerms));
  }
}

TEST(FixedPoint, SumsAreRoundedOnceToTheNearestFloat) {
  Words words = words_of_every_kind(300'000);
  std::vector<float> sums(words.high.size());
  round_sums(words.high.data(), words.low.data(), static_cast<int64_t>(sums.size()), sums.data());
  for (size_t i = 0; i < sums.size(); ++i)
    ASSERT_EQ(sums[i], rounded(value_of(words.high[i], words.low[i])))
        << words.high[i] << " " << words.low[i];
}

TEST(FixedPoint, ATieDecidedByTheLastQuantumIsNotRoundedTwice) {
  // 1 + 2^-24 is a tie, for the even 1; one quantum more, and a rounding by way of a double would lose it
  int64_t high = (int64_t{1} << 32) + (1 << 8);
  float sum = 0;
  for (const auto& [low, expected] : {std::pair<int64_t, float>{0, 1.0F}, {1, 0x1.000002p0F}, {-1, 1.0F}}) {
    round_sums(&high, &low, 1, &sum);
    EXPECT_EQ(sum, expected) << low;
  }
}

TEST(FixedPoint, TensorOperationsGiveTheSameWords) {
  std::vector<float> values = floats_of_every_kind(100'000);
  const auto count = static_cast<int64_t>(values.size());
  Words words = words_of_every_kind(values.size() - 13);
  for (int64_t& high : words.high) high >>= 12;  // room for one term more
  at::Tensor high = tensor_of(words.high).clone(), low = tensor_of(words.low).clone();
  at::Tensor refused = at::zeros({}, at::kLong);
  add_terms(at::from_blob(values.data(), {count}, at::kFloat), high, low, refused);
  const int64_t refused_by_loop = add_terms(values.data(), count, words.high.data(), words.low.data());
  EXPECT_EQ(refused.item<int64_t>(), refused_by_loop);
  EXPECT_TRUE(high.equal(tensor_of(words.high)));
  EXPECT_TRUE(low.equal(tensor_of(words.low)));
}

TEST(FixedPoint, TensorOperationsGiveTheSameRoundedSums) {
  Words words = words_of_every_kind(100'000);
  at::Tensor by_loop = at::empty({static_cast<int64_t>(words.high.size())});
  round_sums(words.high.data(), words.low.data(), by_loop.numel(), by_loop.mutable_data_ptr<float>());
  EXPECT_TRUE(round_sums(tensor_of(words.high), tensor_of(words.low)).equal(by_loop));
}

}  // namespace
}  // namespace sdlora::comm::fixed_point
