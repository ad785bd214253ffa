#include "process/cpu_threads.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sdlora::process {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<int> cores(int first, int count) {
  std::vector<int> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), first);
  return all;
}

RankCores rank_on(std::vector<int> own, std::vector<int> of_mpirun = {}) {
  return {.host = "n1", .cores = std::move(own), .starters_cores = std::move(of_mpirun), .group = "/job"};
}

TEST(CpuThreads, AreTheCoresSharedAmongTheRanksThatMayRunOnThem) {
  EXPECT_THAT(shares_of({rank_on(cores(0, 8))}), ElementsAre(8));
  EXPECT_THAT(shares_of(std::vector(3, rank_on(cores(0, 8)))), ElementsAre(2, 2, 2));
  EXPECT_THAT(shares_of({rank_on(cores(0, 4)), rank_on(cores(4, 4))}), ElementsAre(4, 4));
  EXPECT_THAT(shares_of({rank_on(cores(0, 8)), rank_on(cores(0, 4))}), ElementsAre(6, 2));
  EXPECT_THAT(shares_of(std::vector(3, rank_on({0}))), ElementsAre(1, 1, 1));
}

TEST(CpuThreads, OfRanksOnOtherHostsDoNotCount) {
  RankCores elsewhere = rank_on(cores(0, 8));
  elsewhere.host = "n2";
  EXPECT_THAT(shares_of({rank_on(cores(0, 8)), elsewhere}), ElementsAre(8, 8));
}

TEST(CpuThreads, AreNoMoreThanTheShareOfAQuota) {
  RankCores limited = rank_on(cores(0, 64));
  limited.quota = 3.5;
  EXPECT_THAT(shares_of({limited}), ElementsAre(3));
  EXPECT_THAT(shares_of({limited, limited}), ElementsAre(1, 1));
  RankCores in_another_container = limited;
  in_another_container.group = "/other";
  EXPECT_THAT(shares_of({limited, in_another_container}), ElementsAre(3, 3));
}

TEST(CpuThreads, AreDoubtfulWhereTheyShareCores) {
  EXPECT_THAT(doubts_about({rank_on({0}), rank_on({0})}, {1, 1}, true),
              ElementsAre(HasSubstr("2 threads share 1 core(s) on n1")));
  EXPECT_THAT(doubts_about({rank_on(cores(0, 2))}, {8}, false), ElementsAre(HasSubstr("8 threads share 2")));
  RankCores limited = rank_on(cores(0, 8));
  limited.quota = 2;
  EXPECT_THAT(doubts_about({limited}, {8}, false), ElementsAre(HasSubstr("8 threads share 2")));
  EXPECT_THAT(doubts_about({rank_on(cores(0, 8)), rank_on(cores(0, 8))}, {4, 4}, true), IsEmpty());
}

TEST(CpuThreads, AreDoubtfulWhereMpirunLeavesHalfOfItsCoresIdle) {
  EXPECT_THAT(doubts_about({rank_on({0}, cores(0, 64)), rank_on({1}, cores(0, 64))}, {1, 1}, true),
              ElementsAre(HasSubstr("2 of the 64 cores")));
  EXPECT_THAT(doubts_about({rank_on({0}, cores(0, 64))}, {1}, false), IsEmpty());  // as asked for
  EXPECT_THAT(doubts_about({rank_on(cores(0, 33), cores(0, 64))}, {33}, true), IsEmpty());
  EXPECT_THAT(doubts_about({rank_on({0})}, {1}, true), IsEmpty());  // who knows what else runs there
}

}  // namespace
}  // namespace sdlora::process
