#include "data/caching/reg_balance.h"

#include <gmock/gmock.h>

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BalancedRepeats, AreOneMoreForTheFirstOnesUntilThereAreAsManyAsToBeLearnt) {
  EXPECT_THAT(balanced_repeats({1, 1, 1}, 10), ElementsAre(4, 3, 3));
  EXPECT_THAT(balanced_repeats({5, 1}, 9), ElementsAre(7, 2));
  EXPECT_THAT(balanced_repeats({1}, 7), ElementsAre(7));
}

TEST(BalancedRepeats, LeaveOutWhatIsNotNeeded) {
  EXPECT_THAT(balanced_repeats({2, 2, 2, 2}, 5), ElementsAre(2, 2, 2, 0));
  EXPECT_THAT(balanced_repeats({1, 1, 1}, 2), ElementsAre(1, 1, 0));
}

TEST(BalancedRepeats, AreTheirOwnWhereTheseSuffice) {
  EXPECT_THAT(balanced_repeats({2, 3}, 5), ElementsAre(2, 3));
  EXPECT_THAT(balanced_repeats({}, 5), IsEmpty());
}

}  // namespace
}  // namespace sdlora::data
