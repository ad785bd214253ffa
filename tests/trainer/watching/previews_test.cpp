#include "trainer/watching/previews.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "common/error.h"
#include "model/model_source.h"

namespace sdlora::trainer {
namespace {

namespace fs = std::filesystem;

class PreviewsOfTwoPrompts : public testing::Test {
 protected:
  PreviewsOfTwoPrompts() {
    std::string name = testing::TempDir() + "sdlora-previews-XXXXXX";
    directory_ = mkdtemp(name.data());
  }

  ~PreviewsOfTwoPrompts() override { fs::remove_all(directory_); }

  bool draw(
      const PreviewPainter& painter, const std::function<bool()>& stop_requested = [] { return false; }) {
    Previews previews(directory_ / "previews", {"a fox", "a pier"}, /*of_average=*/false, 3, painter);
    return previews.draw(7, Previews::Shown::kTrained, {.unet = unet_}, mode_, *world_, watchdog_,
                         stop_requested);
  }

  static void touch(const PreviewJob& job) { std::ofstream(job.file) << "picture " << job.prompt; }

  static std::string text_of(const fs::path& file) {
    return (std::ostringstream() << std::ifstream(file).rdbuf()).str();
  }

  fs::path directory_;
  model::ComputeMode mode_{.device = at::kCPU, .dtype = at::kFloat};
  model::UNet unet_ = model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_unet(mode_);
  std::unique_ptr<comm::Communicator> world_ = comm::make_single_process_communicator();
  comm::Watchdog watchdog_{
      "a test", world_->log(), {std::chrono::seconds(60), std::chrono::seconds(60)}, /*record_file=*/{}};
};

TEST_F(PreviewsOfTwoPrompts, AreFilesByStepAndPromptWithTheirPrompts) {
  EXPECT_FALSE(draw(touch));
  for (const char* file : {"00.png", "01.png", "prompts.txt"})
    EXPECT_TRUE(fs::exists(directory_ / "previews/step-000007" / file)) << file;
}

TEST_F(PreviewsOfTwoPrompts, ThatAreThereAlreadyAreKept) {
  draw(touch);
  int64_t drawn_count = 0;
  fs::remove(directory_ / "previews/step-000007/01.png");
  draw([&](const PreviewJob& job) {
    ++drawn_count;
    EXPECT_EQ(job.prompt, 1u);
  });
  EXPECT_EQ(drawn_count, 1);
}

TEST_F(PreviewsOfTwoPrompts, OfTheAverageAreBehindThemAndSaySo) {
  const fs::path folder = directory_ / "previews/step-000007";
  Previews previews(directory_ / "previews", {"a fox", "a pier"}, /*of_average=*/true, 3, touch);
  const auto draw_of = [&](Previews::Shown shown) {
    previews.draw(7, shown, {.unet = unet_}, mode_, *world_, watchdog_, [] { return false; });
  };
  draw_of(Previews::Shown::kTrained);
  EXPECT_FALSE(previews.are_complete(7));
  draw_of(Previews::Shown::kAverage);
  EXPECT_TRUE(previews.are_complete(7));
  EXPECT_EQ(text_of(folder / "03.png"), "picture 1");
  EXPECT_EQ(text_of(folder / "prompts.txt"),
            "a fox\na pier\na fox (moving average)\na pier (moving average)\n");
}

TEST_F(PreviewsOfTwoPrompts, ThatFailAreAWarningOnly) {
  testing::internal::CaptureStderr();
  EXPECT_FALSE(draw([](const PreviewJob&) { throw std::runtime_error("no space left"); }));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("no space left"));
}

TEST_F(PreviewsOfTwoPrompts, WithoutAFolderAreAWarningOnly) {
  std::ofstream(directory_ / "previews") << "in the way";
  testing::internal::CaptureStderr();
  EXPECT_FALSE(draw(touch));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("training goes on"));
}

TEST_F(PreviewsOfTwoPrompts, AreLeftWhenTheRunIsAskedToStop) {
  bool is_asked = false;
  EXPECT_TRUE(draw(
      [&](const PreviewJob& job) {
        touch(job);
        is_asked = true;
      },
      [&] { return is_asked; }));
  EXPECT_TRUE(fs::exists(directory_ / "previews/step-000007/00.png"));
  EXPECT_FALSE(fs::exists(directory_ / "previews/step-000007/01.png"));
}

TEST_F(PreviewsOfTwoPrompts, OfAnEarlierAttemptCanBeRemovedAndNothingElseIs) {
  draw(touch);
  std::ofstream(directory_ / "previews/notes.txt") << "mine";
  remove_previews(directory_ / "previews");
  EXPECT_FALSE(fs::exists(directory_ / "previews/step-000007"));
  EXPECT_TRUE(fs::exists(directory_ / "previews/notes.txt"));
  remove_previews(directory_ / "absent");
}

TEST_F(PreviewsOfTwoPrompts, PromptsAreLinesWithoutCommentsAndEmptyOnes) {
  std::ofstream(directory_ / "prompts.txt") << "# mine\n\n  a fox at dawn \r\n\t\nün café\n   # not one\n";
  EXPECT_THAT(read_preview_prompts(directory_ / "prompts.txt"),
              testing::ElementsAre("a fox at dawn", "ün café"));
}

TEST_F(PreviewsOfTwoPrompts, AFileWithoutPromptsIsAUsageErrorThatNamesIt) {
  std::ofstream(directory_ / "empty.txt") << "# nothing\n";
  for (const char* name : {"empty.txt", "absent.txt"}) {
    try {
      read_preview_prompts(directory_ / name);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
      EXPECT_THAT(error.what(), testing::HasSubstr(name));
    }
  }
}

}  // namespace
}  // namespace sdlora::trainer
