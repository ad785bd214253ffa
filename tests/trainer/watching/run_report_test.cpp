#include "trainer/watching/run_report.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "tests/trainer/tiny_run.h"

namespace sdlora::trainer {
namespace {

using testing::ElementsAre;

monitoring::RunReport report_of(const TinyRun& run) {
  return describe_run(run.config, run.load(), {{"batch", "four"}}, /*step=*/7, "stopped");
}

std::string data_row(const monitoring::RunReport& report, const std::string& name) {
  for (const monitoring::TableRow& row : report.data_rows)
    if (row.name == name) return row.text;
  return "there is none";
}

TEST(RunReport, SaysWhatTheDataIs) {
  const TinyRun run({"--validation-split", "0.4"}, {.flip = true});
  const monitoring::RunReport report = report_of(run);
  EXPECT_EQ(data_row(report, "pictures"), "5, each also mirrored");
  EXPECT_EQ(data_row(report, "trained on"), "6 samples");
  EXPECT_EQ(data_row(report, "held out"), "4 samples");
  EXPECT_EQ(data_row(report, "picture size"), "64 × 64 pixels, latents 4 × 8 × 8");
  EXPECT_EQ(data_row(report, "different captions"), "2") << "without the empty one";
  EXPECT_EQ(data_row(report, "manifest SHA-256"), data::Dataset(run.config.places.data).manifest_sha256());
  EXPECT_EQ(data_row(report, "VAE SHA-256"), std::string(64, 'a'));
  EXPECT_EQ(data_row(report, "text encoder SHA-256"), std::string(64, 'b'));
  EXPECT_EQ(data_row(report_of(TinyRun()), "pictures"), "5");
}

TEST(RunReport, NamesTheDataSetThatItValidatesOn) {
  TinyRun run;
  EXPECT_EQ(data_row(report_of(run), "validation manifest SHA-256"), "there is none");
  run.config.validation.data = run.folder / "other";
  write_tiny_cache(run.config.validation.data, {.flip = true});
  EXPECT_EQ(data_row(report_of(run), "validation manifest SHA-256"),
            data::Dataset(run.folder / "other").manifest_sha256());
}

TEST(RunReport, ShowsCaptionsFromAllOverTheDataSetWithoutTheEmptyOne) {
  EXPECT_THAT(report_of(TinyRun({}, {.caption_count = 1})).captions, ElementsAre());
  EXPECT_THAT(report_of(TinyRun({}, {.caption_count = 3})).captions,
              ElementsAre("caption é 1", "caption é 2"));
  EXPECT_THAT(report_of(TinyRun({}, {.caption_count = 1 + 20})).captions,
              ElementsAre("caption é 1", "caption é 4", "caption é 7", "caption é 11", "caption é 14",
                          "caption é 17"));
}

TEST(RunReport, SaysWhereTheRunIsAndWithWhichSettings) {
  const TinyRun run({"--max-steps", "70", "--max-grad-norm", "0.5", "--seed", "9"});
  const monitoring::RunReport report = report_of(run);
  EXPECT_EQ(report.run_directory, run.config.places.output);
  EXPECT_EQ(report.state, "stopped");
  EXPECT_EQ(report.step, 7);
  EXPECT_EQ(report.max_steps, 70);
  EXPECT_EQ(report.max_gradient_norm, 0.5);
  EXPECT_EQ(report.parameter_count, run.load().adapter.parameter_count());
  EXPECT_EQ(report.run_rows.at(0).text, "four");
  EXPECT_EQ(report.settings.size(), run.config.settings.all().size());
  const auto seed = std::find_if(report.settings.begin(), report.settings.end(),
                                 [](const auto& setting) { return setting.name == "seed"; });
  ASSERT_NE(seed, report.settings.end());
  EXPECT_EQ(seed->value, "9");
  EXPECT_EQ(seed->default_value, "0");
}

}  // namespace
}  // namespace sdlora::trainer
