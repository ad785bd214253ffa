#include "trainer/watching/observer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/trainer/played_world.h"
#include "tests/trainer/tiny_run.h"

namespace sdlora::trainer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

bool goes_on() {
  return false;
}

// One attempt at a run of seven steps: validations every third, two previews every second.
class ObserverOfSevenSteps : public testing::Test {
 protected:
  ObserverOfSevenSteps() { begin_again(); }

  // As after a restart, from `first_step` on.
  void begin_again(int64_t first_step = 0) {
    monitor_ = std::make_unique<RunMonitor>(run_.config, loaded_, *run_.world, run_.watchdog, first_step);
    observer_.emplace(observer_on(*run_.world));
    observer_->prepare(first_step);
  }

  Observer observer_on(comm::Communicator& world) {
    return {run_.config, loaded_, *monitor_, &previews_, world, *run_.world, run_.watchdog, {}};
  }

  fs::path picture(int64_t step, int prompt) const {
    return output_ / fmt::format("previews/step-{:06}/{:02}.png", step, prompt);
  }

  // Those of the steps 0 … 7 that have one.
  std::vector<int64_t> validated_steps() const {
    const std::string lines = bytes_of(output_ / "metrics.jsonl");
    std::vector<int64_t> steps;
    for (int64_t step = 0; step <= 7; ++step)
      if (lines.find(fmt::format("\"step\":{},\"validation_loss\"", step)) != std::string::npos)
        steps.push_back(step);
    return steps;
  }

  // How many of all attempts TensorBoard has.
  int64_t pictures_in_tensorboard() const {
    int64_t count = 0;
    for (const auto& entry : fs::directory_iterator(output_ / "tensorboard")) {
      const std::string events = bytes_of(entry.path());
      for (size_t at = 0; (at = events.find("preview/0", at)) != std::string::npos; ++at) ++count;
    }
    return count;
  }

  TinyRun run_{{"--max-steps", "7", "--validation-every", "3", "--validation-split", "0.4", "--preview-every",
                "2", "--preview-prompts", "the previews have them"}};
  const fs::path output_ = run_.config.places.output;
  LoadedRun loaded_ = run_.load();
  std::function<void()> when_drawn_ = [] {};
  std::vector<int64_t> drawn_;  // prompts
  Previews previews_{output_ / "previews",
                     {"a fox", "a pier"},
                     /*of_average=*/false,
                     /*marks_per_picture=*/1,
                     [this](const PreviewJob& job) {
                       write_bytes(job.file, "a picture");
                       drawn_.push_back(static_cast<int64_t>(job.prompt));
                       when_drawn_();
                     }};
  std::unique_ptr<RunMonitor> monitor_;
  std::optional<Observer> observer_;
};

TEST_F(ObserverOfSevenSteps, LooksBeforeTheFirstEverySoOftenAndAfterTheLast) {
  std::vector<int64_t> drawn_steps;
  for (int64_t step = 0; step <= 7; ++step) {
    EXPECT_FALSE(observer_->look(step, goes_on));
    if (fs::exists(picture(step, 1))) drawn_steps.push_back(step);
  }
  EXPECT_THAT(validated_steps(), ElementsAre(0, 3, 6, 7));
  EXPECT_THAT(drawn_steps, ElementsAre(0, 2, 4, 6, 7));
}

TEST_F(ObserverOfSevenSteps, LooksAtNothingUnasked) {
  run_.config.validation.every = run_.config.previews.every = {};
  for (int64_t step = 0; step <= 7; ++step) EXPECT_FALSE(observer_->look(step, goes_on));
  EXPECT_THAT(validated_steps(), IsEmpty());
  EXPECT_FALSE(fs::exists(output_ / "previews"));
}

TEST_F(ObserverOfSevenSteps, DoesNotRepeatWhatAnEarlierAttemptDid) {
  observer_->look(6, goes_on);
  const std::string lines = bytes_of(output_ / "metrics.jsonl");
  fs::remove(picture(6, 1));
  drawn_.clear();
  begin_again(/*first_step=*/6);
  observer_->look(6, goes_on);
  EXPECT_EQ(bytes_of(output_ / "metrics.jsonl"), lines) << "or it would have other seconds";
  EXPECT_THAT(drawn_, ElementsAre(1));
}

TEST_F(ObserverOfSevenSteps, LeavesAValidationWhenAskedToStopAndHasItNextTime) {
  int question_count = 0;
  EXPECT_TRUE(observer_->look(6, [&] { return ++question_count == 2; }));
  EXPECT_THAT(validated_steps(), IsEmpty());
  EXPECT_THAT(drawn_, IsEmpty()) << "which comes after it";
  begin_again(/*first_step=*/6);
  EXPECT_FALSE(observer_->look(6, goes_on));
  EXPECT_THAT(validated_steps(), ElementsAre(6));
  EXPECT_THAT(drawn_, ElementsAre(0, 1));
}

TEST_F(ObserverOfSevenSteps, LeavesPreviewsWhenAskedToStopAndHasTheRestNextTime) {
  bool is_asked = false;
  when_drawn_ = [&] { is_asked = true; };
  EXPECT_TRUE(observer_->look(2, [&] { return is_asked; }));
  EXPECT_THAT(drawn_, ElementsAre(0));
  begin_again(/*first_step=*/2);
  EXPECT_FALSE(observer_->look(2, goes_on));
  EXPECT_THAT(drawn_, ElementsAre(0, 1));
}

TEST_F(ObserverOfSevenSteps, GivesTensorboardPreviewsOnceAndWhenTheyAreAllThere) {
  run_.config.watching.writes_tensorboard = true;
  begin_again();
  bool is_asked = false;
  when_drawn_ = [&] { is_asked = true; };
  observer_->look(2, [&] { return is_asked; });
  EXPECT_EQ(pictures_in_tensorboard(), 0);
  begin_again(/*first_step=*/2);
  observer_->look(2, goes_on);
  EXPECT_EQ(pictures_in_tensorboard(), 2);
  begin_again(/*first_step=*/2);
  observer_->look(2, goes_on);
  EXPECT_EQ(pictures_in_tensorboard(), 2);
}

TEST_F(ObserverOfSevenSteps, ForgetsThePicturesOfAnotherRunOnlyWhereItStartsAfresh) {
  observer_->look(2, goes_on);
  begin_again(/*first_step=*/2);
  EXPECT_TRUE(fs::exists(picture(2, 0)));
  PlayedWorld second(1, 2);
  observer_on(second).prepare(0);
  EXPECT_TRUE(fs::exists(picture(2, 0))) << "rank 0 does it";
  begin_again();
  EXPECT_FALSE(fs::exists(picture(2, 0)));
}

TEST_F(ObserverOfSevenSteps, ReportsAfterPreviewsByTheHandOfRank0) {
  EXPECT_FALSE(fs::exists(output_ / "report.html"));
  PlayedWorld second(1, 2);
  observer_on(second).report(2, "running");
  EXPECT_FALSE(fs::exists(output_ / "report.html"));
  observer_->look(2, goes_on);
  EXPECT_THAT(bytes_of(output_ / "report.html"), HasSubstr("\"running\""));
  observer_->report(7, "finished");
  EXPECT_THAT(bytes_of(output_ / "report.html"), HasSubstr("\"finished\""));
}

TEST_F(ObserverOfSevenSteps, GoesOnWithoutAReport) {
  fs::create_directories(output_ / "report.html/in the way");
  testing::internal::CaptureStderr();
  EXPECT_NO_THROW(observer_->report(7, "finished"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("no new report.html after step 7"));
}

}  // namespace
}  // namespace sdlora::trainer
