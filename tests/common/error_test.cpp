#include "common/error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace sdlora {
namespace {

TEST(Error, SaysWhatWasExpectedAndSeenWhereAndWhatToDo) {
  const Error error(ExitCode::kBadData, {.what = "cannot use the shard",
                                         .expected = "10 samples",
                                         .seen = "9",
                                         .where = "shard-00000.h5",
                                         .advice = "run cache_latents again"});
  EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
  EXPECT_STREQ(error.what(),
               "cannot use the shard\n"
               "  expected: 10 samples\n"
               "  seen:     9\n"
               "  where:    shard-00000.h5\n"
               "  do:       run cache_latents again");
}

TEST(Error, LeavesEmptyPartsOut) {
  EXPECT_STREQ(Error(ExitCode::kIo, {.what = "no space", .seen = "disk full"}).what(),
               "no space\n  seen:     disk full");
}

TEST(Error, NamesTheSystemsError) {
  errno = ENOENT;
  EXPECT_EQ(system_error_text(), "No such file or directory");
}

}  // namespace
}  // namespace sdlora
