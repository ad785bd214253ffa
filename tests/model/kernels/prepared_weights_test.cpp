#include "model/kernels/prepared_weights.h"

#include <gmock/gmock.h>

namespace sdlora::model::kernels {
namespace {

using testing::Each;

// `count` times `value`; `uses` counts how often it is made.
std::shared_ptr<PreparedWeight> weight_of(int64_t count, float value, int& uses) {
  return std::make_shared<PreparedWeight>(count * sizeof(float), [=, &uses](void* place) {
    ++uses;
    std::fill_n(static_cast<float*>(place), count, value);
  });
}

std::vector<float> values_of(PreparedWeight& weight) {
  const auto* const values = static_cast<const float*>(weight.data());
  return {values, values + weight.byte_count() / sizeof(float)};
}

TEST(PreparedWeight, IsMadeOnceWhenItIsFirstUsed) {
  int uses = 0;
  const auto weight = weight_of(5, 3, uses);
  EXPECT_EQ(uses, 0);
  EXPECT_THAT(values_of(*weight), Each(3));
  weight->data();
  EXPECT_EQ(uses, 1);
}

TEST(PreparedWeight, LetsThePlainWeightGo) {
  auto plain = std::make_shared<float>(2.0F);
  PreparedWeight weight(sizeof(float), [plain](void* place) { *static_cast<float*>(place) = *plain; });
  EXPECT_EQ(plain.use_count(), 2);
  EXPECT_THAT(values_of(weight), Each(2));
  EXPECT_EQ(plain.use_count(), 1);
}

TEST(PreparedWeights, AreMadeOnceBetweenThoseThatShareTheMemory) {
  std::vector<int> uses(3, 0);
  const auto weights_of_a_process = [&] {
    std::vector<std::shared_ptr<PreparedWeight>> weights;
    for (size_t i = 0; i < uses.size(); ++i)
      weights.push_back(weight_of(5 + static_cast<int64_t>(i), static_cast<float>(i), uses[i]));
    return weights;
  };
  const auto first = weights_of_a_process(), second = weights_of_a_process();
  PreparedWeights of_first, of_second;
  for (const auto& weight : first) of_first.add(weight);
  for (const auto& weight : second) of_second.add(weight);
  ASSERT_EQ(of_first.byte_count(), 3 * 64) << "each on a cache line of its own";
  const std::shared_ptr<void> memory(std::aligned_alloc(64, 3 * 64), std::free);
  of_first.move_to(memory, 0, 2);
  of_second.move_to(memory, 1, 2);
  EXPECT_THAT(uses, Each(1));
  for (size_t i = 0; i < uses.size(); ++i) {
    EXPECT_EQ(first[i]->data(), second[i]->data());
    EXPECT_THAT(values_of(*first[i]), Each(static_cast<float>(i)));
  }
}

}  // namespace
}  // namespace sdlora::model::kernels
