#include "trainer/batches/batch_share.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;

TEST(BatchShare, GivesEverySlotToOneRankInMicroBatches) {
  for (const auto& [rank_count, micro_batch_size] : {std::pair(1, 4), std::pair(2, 3), std::pair(6, 1)}) {
    std::vector<int64_t> slots;
    for (int rank = 0; rank < rank_count; ++rank) {
      const BatchShare share = share_batch(12, micro_batch_size, rank, rank_count);
      EXPECT_EQ(share.micro_batch_count(), 12 / micro_batch_size) << "of all ranks";
      for (const int64_t first : share.micro_batches())
        for (int64_t slot = first; slot < first + share.micro_batch_size; ++slot) slots.push_back(slot);
    }
    EXPECT_THAT(slots, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  }
}

TEST(BatchShare, TakesARanksShareForAMicroBatchWhenNoneIsSaid) {
  const BatchShare share = share_batch(12, /*micro_batch_size=*/0, /*rank=*/2, /*rank_count=*/3);
  EXPECT_EQ(share.micro_batch_size, 4);
  EXPECT_THAT(share.micro_batches(), ElementsAre(8));
}

TEST(BatchShare, RefusesABatchThatCannotBeSharedEvenlyWithTheArithmetic) {
  EXPECT_THAT(error_of([] { share_batch(12, 0, 0, 5); }),
              testing::AllOf(testing::StartsWith("64 "),
                             testing::HasSubstr("--batch-size 12, 5 ranks, --micro-batch-size auto")));
  EXPECT_THAT(error_of([] { share_batch(12, 4, 0, 2); }),
              testing::HasSubstr("--batch-size 12, 2 ranks, --micro-batch-size 4"));
  EXPECT_THAT(error_of([] { share_batch(2, 0, 0, 4); }), testing::StartsWith("64 "));
}

}  // namespace
}  // namespace sdlora::trainer
