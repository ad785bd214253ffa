#include "launcher/supervisor/attempt_ending.h"

#include <gmock/gmock.h>

namespace sdlora::launcher {
namespace {

TEST(Judge, TakesZeroForDoneAndSeventyFiveForAskedToStop) {
  EXPECT_EQ(meaning_of_exit_code(0).verdict, Verdict::kDone);
  EXPECT_EQ(meaning_of_exit_code(75).verdict, Verdict::kStopped);
}

TEST(Judge, NeverRepeatsWhatWouldEndAlike) {
  for (const int exit_code : {64, 65, 76, 78})
    EXPECT_EQ(meaning_of_exit_code(exit_code).verdict, Verdict::kGiveUp) << exit_code;
}

TEST(Judge, RepeatsAfterCrashesHangsFullDisksAndFailuresOfMpirun) {
  for (const int exit_code : {70, 74, 134, 137, 139, 1, 205, 213})
    EXPECT_EQ(meaning_of_exit_code(exit_code).verdict, Verdict::kTryAgain) << exit_code;
}

TEST(Judge, TellsRanksThatDiedFromAnMpirunThatFailed) {
  for (const int exit_code : {70, 74, 134, 137, 139})
    EXPECT_TRUE(meaning_of_exit_code(exit_code).is_of_the_trainer) << exit_code;
  for (const int exit_code : {1, 205, 213})
    EXPECT_FALSE(meaning_of_exit_code(exit_code).is_of_the_trainer) << exit_code;
}

TEST(Judge, NamesTheSignal) {
  EXPECT_THAT(meaning_of_exit_code(139).reason, ::testing::HasSubstr("signal 11 (Segmentation fault)"));
  EXPECT_THAT(meaning_of_exit_code(137).reason, ::testing::HasSubstr("signal 9"));
  EXPECT_THAT(meaning_of_exit_code(205).reason, ::testing::HasSubstr("exit code 205"));
}

}  // namespace
}  // namespace sdlora::launcher
