// Two ranks; what they tell each other is put into their mouths. tests/system/rank_mismatch_test.py starts
// different programs, models and data in earnest.
#include "trainer/run/handshake.h"

#include <gmock/gmock.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Handshake : public testing::Test {
 protected:
  std::string refusal_of(const RankFingerprint& fingerprint) {
    try {
      compare_ranks(*world_, fingerprint);
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::kMismatch);
      return error.what();
    }
    return "";
  }

  std::unique_ptr<comm::Communicator> world_ = comm::make_mpi_communicator();
  std::string own_ = std::to_string(world_->rank());
};

TEST_F(Handshake, IsSilentWhenAllIsEqual) {
  EXPECT_EQ(refusal_of({{"model", "a"}, {"data", "b"}}), "");
}

TEST_F(Handshake, NamesWhatDiffersOnBothSidesAndNothingElse) {
  const std::string refusal = refusal_of({{"model", "hash " + own_}, {"seed", "same"}});
  EXPECT_THAT(refusal, AllOf(HasSubstr("rank 0 of 2"), HasSubstr("model = hash 0"), HasSubstr("rank 1 of 2"),
                             HasSubstr("model = hash 1"), Not(HasSubstr("seed"))));
}

TEST_F(Handshake, NamesWhatOnlyOneSideHas) {
  EXPECT_THAT(refusal_of(own_ == "1" ? RankFingerprint{{"libdnnl.so.3", "id"}} : RankFingerprint{}),
              AllOf(HasSubstr("libdnnl.so.3 = nothing"), HasSubstr("libdnnl.so.3 = id")));
}

TEST_F(Handshake, SaysTheSameOnEveryRank) {
  const std::string refusal = refusal_of({{"seed", own_}});
  for (const std::string& other : world_->gather(refusal)) EXPECT_EQ(other, refusal);
}

}  // namespace
}  // namespace sdlora::trainer
