#include "comm/collective_log.h"

#include <thread>

#include <gtest/gtest.h>

namespace sdlora::comm {
namespace {

TEST(CollectiveLog, NumbersCollectivesAndStampsThemWithSectionAndStep) {
  CollectiveLog log;
  log.set_section(Section::kReduction);
  log.set_step(12);
  { const CollectiveLog::Visit visit(log, "all_reduce_sum", 51'000'000); }
  log.set_section(Section::kCheckpoint);
  const CollectiveLog::Visit visit(log, "gather", 7);
  const CollectiveLog::Entries entries = log.entries();
  ASSERT_EQ(entries.count, 2);
  const auto& [first, second] = std::pair{entries.items[0], entries.items[1]};
  EXPECT_EQ(first.sequence, 1);
  EXPECT_STREQ(first.operation, "all_reduce_sum");
  EXPECT_EQ(first.bytes, 51'000'000);
  EXPECT_EQ(first.step, 12);
  EXPECT_EQ(first.section, Section::kReduction);
  EXPECT_GE(first.left_ns, first.entered_ns);
  EXPECT_EQ(second.sequence, 2);
  EXPECT_EQ(second.section, Section::kCheckpoint);
  EXPECT_EQ(second.left_ns, 0) << "it is still in it";
}

TEST(CollectiveLog, KeepsTheLatest) {
  CollectiveLog log;
  for (int i = 0; i < 1000; ++i) const CollectiveLog::Visit visit(log, "barrier", i);
  const CollectiveLog::Entries entries = log.entries();
  ASSERT_EQ(entries.count, CollectiveLog::kCapacity);
  EXPECT_EQ(entries.items[0].sequence, 1000 - CollectiveLog::kCapacity + 1);
  EXPECT_EQ(entries.items[CollectiveLog::kCapacity - 1].bytes, 999);
}

TEST(CollectiveLog, TellsWhichRankOfTheHostIsBehind) {
  RankProgress mine, ahead, behind;
  ahead.entered = 5;
  CollectiveLog log(/*own_rank=*/3, {{2, &behind}, {3, &mine}, {4, &ahead}});
  const CollectiveLog::Visit visit(log, "barrier", 0);
  EXPECT_TRUE(log.is_behind({2, &behind}));
  EXPECT_FALSE(log.is_behind({3, &mine}));
  EXPECT_FALSE(log.is_behind({4, &ahead}));
  EXPECT_EQ(mine.entered.load(), 1);
  EXPECT_EQ(mine.left.load(), 0);
}

TEST(CollectiveLog, TellsWhichRankOfTheHostIsStopped) {
  RankProgress mine, alive, stopped, unwatched;
  CollectiveLog log(/*own_rank=*/0, {{0, &mine}, {1, &alive}, {2, &stopped}, {3, &unwatched}});
  CollectiveLog(1, {{1, &alive}}).show_sign_of_life();
  CollectiveLog(2, {{2, &stopped}}).show_sign_of_life();
  stopped.alive_ns -= 3'000'000'000;
  EXPECT_FALSE(log.is_behind({1, &alive}));
  EXPECT_TRUE(log.is_behind({2, &stopped}));
  EXPECT_NEAR(CollectiveLog::silence_of({2, &stopped}).count(), 3, 1);
  EXPECT_FALSE(log.is_behind({3, &unwatched})) << "it never said that it would";
}

TEST(CollectiveLog, IsReadWhileItIsWritten) {
  CollectiveLog log;
  std::atomic<bool> is_over = false;
  std::thread writer([&] {
    for (int64_t i = 1; !is_over; ++i) const CollectiveLog::Visit visit(log, "barrier", i);
  });
  for (int64_t newest = 0; newest < 100'000;) {
    const CollectiveLog::Entries entries = log.entries();
    if (entries.count > 0) newest = entries.items[static_cast<size_t>(entries.count - 1)].sequence;
    for (int64_t i = 0; i < entries.count; ++i) {
      const CollectiveLog::Entry& entry = entries.items[static_cast<size_t>(i)];
      ASSERT_EQ(entry.sequence, entry.bytes) << "a torn entry";
    }
  }
  is_over = true;
  writer.join();
}

}  // namespace
}  // namespace sdlora::comm
