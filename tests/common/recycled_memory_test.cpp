#include "common/recycled_memory.h"

#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sdlora {
namespace {

constexpr int64_t kMebi = 1 << 20;

class RecycledTensors : public testing::Test {
 protected:
  static void SetUpTestSuite() { recycle_tensor_memory(); }

  // So many MiB, all written.
  static at::Tensor tensor_of(int64_t mebibytes) { return at::full({mebibytes * kMebi}, 7, at::kByte); }
};

TEST_F(RecycledTensors, TakeABlockThatWasFreed) {
  at::Tensor first = tensor_of(16);
  const void* const place = first.data_ptr();
  first.reset();
  EXPECT_EQ(tensor_of(15).data_ptr(), place) << "an eighth less fits";
  EXPECT_NE(tensor_of(4).data_ptr(), place) << "it is too large for this one";
}

TEST_F(RecycledTensors, NeverShareABlock) {
  const at::Tensor first = tensor_of(16), second = at::full({16 * kMebi}, 9, at::kByte);
  EXPECT_TRUE(first.eq(7).all().item<bool>());
  EXPECT_TRUE(second.eq(9).all().item<bool>());
}

TEST_F(RecycledTensors, GiveBackWhatIsAQuarterMoreThanWasEverInUse) {
  for (int64_t mebibytes = 2; mebibytes < 64; mebibytes += 2) tensor_of(mebibytes);  // no two fit each other
  const RecycledMemory memory = recycled_memory();
  EXPECT_EQ(memory.in_use, 0);
  EXPECT_LE(memory.kept, static_cast<size_t>(80 * kMebi));
}

TEST_F(RecycledTensors, AreGivenBackWhenThatIsAskedFor) {
  const at::Tensor in_use = tensor_of(4);
  tensor_of(16);
  EXPECT_GT(recycled_memory().kept, 0U);
  release_recycled_memory();
  EXPECT_EQ(recycled_memory().kept, 0U);
  EXPECT_TRUE(in_use.eq(7).all().item<bool>());
}

TEST_F(RecycledTensors, CountTheMostInUseAnewThen) {
  tensor_of(64);
  release_recycled_memory();
  tensor_of(16);
  tensor_of(8);  // 16 kept and 8 in use are more than a quarter above 16
  EXPECT_LE(recycled_memory().kept, static_cast<size_t>(20 * kMebi));
}

TEST_F(RecycledTensors, AreNoLargerThanAnEighthMore) {
  const RecycledMemory before = recycled_memory();
  const at::Tensor tensor = at::full({1280 * 1280}, 1, at::kFloat);  // 6.25 MiB
  EXPECT_LE(recycled_memory().in_use - before.in_use,
            static_cast<size_t>(tensor.nbytes() + tensor.nbytes() / 8));
}

TEST_F(RecycledTensors, MayBeMadeAndFreedByManyThreads) {
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number)
    threads.emplace_back([number] {
      for (int64_t i = 0; i < 50; ++i) {
        const at::Tensor tensor = at::full({(1 + i % 5) * kMebi}, number, at::kByte);
        ASSERT_TRUE(tensor.eq(number).all().item<bool>());
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(recycled_memory().in_use, 0);
}

TEST_F(RecycledTensors, LeaveSmallOnesToTheSystem) {
  const RecycledMemory before = recycled_memory();
  const at::Tensor small = at::full({1000}, 1, at::kByte);
  EXPECT_EQ(recycled_memory().in_use, before.in_use);
}

}  // namespace
}  // namespace sdlora
