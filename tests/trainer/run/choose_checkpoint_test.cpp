#include "trainer/run/choose_checkpoint.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ChooseCheckpoint : public testing::Test {
 protected:
  // What --resume `resume` chooses for the run in the folder "out".
  checkpoint::NewestCheckpoint chosen(const std::string& resume) {
    TrainConfig config;
    config.places.output = folder_ / "out";
    config.checkpoints.resume = resume;
    return choose_checkpoint(config);
  }

  std::string refusal_of(const std::filesystem::path& resume, ExitCode expected) {
    try {
      chosen(resume.string());
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), expected);
      return error.what();
    }
    return "nothing was refused";
  }

  std::filesystem::path save(const std::string& run, int64_t step) {
    std::filesystem::create_directories(folder_ / run);
    checkpoint::save_checkpoint(folder_ / run, {.step = step});
    return folder_ / run / checkpoint::checkpoint_name(step);
  }

  TemporaryFolder folder_;
};

TEST_F(ChooseCheckpoint, TakesTheNewestOfTheOutputUnasked) {
  EXPECT_FALSE(chosen("auto").checkpoint);
  save("out", 9);
  save("out", 10);
  EXPECT_EQ(chosen("auto").checkpoint->step, 10);
  EXPECT_FALSE(chosen("none").checkpoint);
}

TEST_F(ChooseCheckpoint, TakesTheNamedOneUnlessTheOutputHasALaterOne) {
  const auto old = save("old", 5);
  EXPECT_EQ(chosen(old.string()).checkpoint->step, 5);
  save("out", 4);
  EXPECT_EQ(chosen(old.string()).directory, old);
  save("out", 6);
  EXPECT_EQ(chosen(old.string()).checkpoint->step, 6);
  std::filesystem::remove_all(old);
  EXPECT_EQ(chosen(old.string()).checkpoint->step, 6);
}

TEST_F(ChooseCheckpoint, TakesTheNewestOfANamedRun) {
  save("old", 5);
  const auto newest = save("old", 7);
  EXPECT_EQ(chosen((folder_ / "old").string()).directory, newest);
}

TEST_F(ChooseCheckpoint, SaysWhatANameIsThatIsNoCheckpoint) {
  EXPECT_THAT(refusal_of("/no/such/place", ExitCode::kUsage), HasSubstr("no such directory"));
  std::ofstream(folder_ / "lora_weights.pt") << "x";
  EXPECT_THAT(refusal_of(folder_ / "lora_weights.pt", ExitCode::kUsage),
              AllOf(HasSubstr("a file"), HasSubstr("--init-adapter")));
  std::filesystem::create_directory(folder_ / "empty");
  EXPECT_THAT(refusal_of(folder_ / "empty", ExitCode::kUsage), HasSubstr("without checkpoints"));
  std::filesystem::remove(save("old", 5) / "MANIFEST.json");
  EXPECT_THAT(refusal_of(folder_ / "old" / "checkpoint-step-5", ExitCode::kBadData), HasSubstr("MANIFEST"));
}

}  // namespace
}  // namespace sdlora::trainer
