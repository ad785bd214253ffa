#include "monitoring/terminal/run_summary.h"

#include <cmath>
#include <fstream>

#include <gmock/gmock.h>

#include "tests/support/temporary_folder.h"

namespace sdlora::monitoring {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string text_of(const RunSummary& summary, const std::string& name, const TemporaryFolder& folder) {
  for (const TableRow& row : summary.rows(folder.path()))
    if (row.name == name) return row.text;
  return "";
}

StepRecord step(int64_t number, double loss, bool skipped = false) {
  return {.step = number, .loss = loss, .skipped = skipped, .step_seconds = 0.5};
}

TEST(RunSummary, TellsSpeedAndBestLoss) {
  const TemporaryFolder folder;
  RunSummary summary;
  summary.record_step(step(101, 0.4), 8);
  summary.record_step(step(102, 0.2), 8);
  summary.record_step(step(103, 0.9), 8);
  EXPECT_THAT(text_of(summary, "time", folder), HasSubstr("in 3 steps"));
  EXPECT_EQ(text_of(summary, "speed", folder), "16.00 samples/s over all ranks, 0.500 s a step");
  EXPECT_THAT(text_of(summary, "loss", folder), HasSubstr("best 0.29899 after step 102"));
}

TEST(RunSummary, NamesTheStepsThatWereSkipped) {
  const TemporaryFolder folder;
  RunSummary summary;
  summary.record_step(step(1, 0.4), 8);
  EXPECT_EQ(text_of(summary, "skipped", folder), "no step");
  for (int64_t number = 2; number < 20; ++number) summary.record_step(step(number, std::nan(""), true), 8);
  EXPECT_THAT(text_of(summary, "skipped", folder), StartsWith("18 step(s): 2, 3, 4"));
  EXPECT_THAT(text_of(summary, "skipped", folder), HasSubstr(", 11, …"));
  EXPECT_THAT(text_of(summary, "loss", folder), HasSubstr("0.40000 at the end, best 0.40000 after step 1"));
}

TEST(RunSummary, TellsTheBestValidation) {
  const TemporaryFolder folder;
  RunSummary summary;
  EXPECT_EQ(text_of(summary, "validation loss", folder), "");
  for (const auto& [number, loss] : {std::pair{0, 0.3}, {100, 0.1}, {200, 0.2}})
    summary.record_validation({.step = number, .loss = loss});
  EXPECT_EQ(text_of(summary, "validation loss", folder), "0.20000 at the end, best 0.10000 after step 100");
}

TEST(RunSummary, ListsWhatIsInTheRunDirectory) {
  const TemporaryFolder folder;
  std::ofstream(folder / "lora_weights.pt") << std::string(3 * 1024 * 1024, 'x');
  std::ofstream(folder / "trainer.lock") << "somebody";
  for (const char* name : {"checkpoint-step-100", "checkpoint-step-200"}) {
    std::filesystem::create_directory(folder / name);
    std::ofstream(folder / name / "state.json") << "{}";
  }
  const std::string files = text_of(RunSummary(), "files", folder);
  EXPECT_THAT(files, StartsWith(folder.path().string()));
  EXPECT_THAT(files, HasSubstr("\nlora_weights.pt (3.0 MiB)"));
  EXPECT_THAT(files, HasSubstr("\ncheckpoint-step-… (2 of them, 1 KiB)"));
  EXPECT_THAT(files, Not(HasSubstr("lock")));
}

}  // namespace
}  // namespace sdlora::monitoring
