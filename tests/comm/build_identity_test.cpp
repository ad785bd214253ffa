#include "comm/build_identity.h"

#include <gmock/gmock.h>

namespace sdlora::comm {
namespace {

using testing::Contains;
using testing::Key;
using testing::MatchesRegex;

TEST(BuildIdentity, NamesTheProgramAndTheLibrariesThatComputeByTheirBuildIds) {
  const auto identity = build_identity();
  ASSERT_THAT(identity, Contains(Key("program")));
  ASSERT_THAT(identity, Contains(Key("libtorch_cpu.so")));
  ASSERT_THAT(identity, Contains(Key("libc.so.6")));
  for (const char* name : {"program", "libtorch_cpu.so", "libc.so.6"})
    EXPECT_THAT(identity.at(name), MatchesRegex("[0-9a-f]{40}")) << name;
}

TEST(BuildIdentity, NamesVersions) {
  const auto identity = build_identity();
  EXPECT_THAT(identity.at("torch"), MatchesRegex("2\\.[0-9]+.*"));
  EXPECT_THAT(identity.at("MPI"), testing::HasSubstr("Open MPI"));
  EXPECT_THAT(identity.at("NCCL"), MatchesRegex("2\\.[0-9]+\\.[0-9]+|none"));
}

TEST(BuildIdentity, IsTheSameEveryTime) {
  EXPECT_EQ(build_identity(), build_identity());
}

}  // namespace
}  // namespace sdlora::comm
