#include "trainer/run/checkpoint_saver.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "comm/fail_together.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::trainer {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

class CheckpointSaverOfAFolder : public testing::Test {
 protected:
  bool save(CheckpointSaver& saver, int64_t step, bool is_last = false) {
    return saver.save(
        [step] {
          return checkpoint::Checkpoint{
              .step = step, .adapter = {{"a", at::ones({2})}}, .optimizer = {{"m", at::ones({2})}}};
        },
        is_last);
  }

  // As a file system that refuses.
  void put_something_in_the_way() { write_bytes(directory_, "a file where the run's folder was"); }

  void take_it_away() {
    std::filesystem::remove(directory_);
    std::filesystem::create_directory(directory_);
  }

  TemporaryFolder folder_;
  std::filesystem::path directory_ = folder_ / "run";
  std::unique_ptr<comm::Communicator> world_ = comm::make_single_process_communicator();
};

TEST_F(CheckpointSaverOfAFolder, KeepsAsManyAsAreWanted) {
  take_it_away();
  const auto names_left_by = [&](int64_t keep_count) {
    CheckpointSaver saver(directory_, keep_count, *world_);
    for (const int64_t step : {1, 2, 3}) EXPECT_TRUE(save(saver, step));
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      names.push_back(entry.path().filename());
    return names;
  };
  EXPECT_THAT(names_left_by(0),
              UnorderedElementsAre("checkpoint-step-1", "checkpoint-step-2", "checkpoint-step-3"));
  EXPECT_THAT(names_left_by(2), UnorderedElementsAre("checkpoint-step-2", "checkpoint-step-3"));
}

TEST_F(CheckpointSaverOfAFolder, BearsTwoRefusalsInARowAndNotAThird) {
  take_it_away();
  CheckpointSaver saver(directory_, 0, *world_);
  for (int round = 0; round < 2; ++round) {
    std::filesystem::remove_all(directory_);
    put_something_in_the_way();
    EXPECT_FALSE(save(saver, 1));
    EXPECT_FALSE(save(saver, 2));
    take_it_away();
    EXPECT_TRUE(save(saver, 3)) << "which ends the row";
  }
  std::filesystem::remove_all(directory_);
  put_something_in_the_way();
  EXPECT_FALSE(save(saver, 4));
  EXPECT_FALSE(save(saver, 5));
  EXPECT_THAT(error_of([&] { save(saver, 6); }),
              testing::AllOf(testing::StartsWith("74 "), HasSubstr("3 failed save(s) in a row")));
}

TEST_F(CheckpointSaverOfAFolder, DoesNotBearARefusalOfTheLastOne) {
  put_something_in_the_way();
  CheckpointSaver saver(directory_, 0, *world_);
  EXPECT_THROW(save(saver, 1, /*is_last=*/true), comm::CommonError);
}

TEST_F(CheckpointSaverOfAFolder, DoesNotBearWhatIsNoFaultOfTheFileSystem) {
  take_it_away();
  CheckpointSaver saver(directory_, 0, *world_);
  const auto diverged = []() -> checkpoint::Checkpoint {
    throw Error(ExitCode::kDiverged, {.what = "not finite"});
  };
  EXPECT_THAT(error_of([&] { saver.save(diverged, /*is_last=*/false); }), testing::StartsWith("76 "));
}

}  // namespace
}  // namespace sdlora::trainer
