#include "monitoring/report/report.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::monitoring {
namespace {

using Json = nlohmann::json;

Json data_in(const std::filesystem::path& file) {
  const std::string page = bytes_of(file);
  const std::string opening = "<script type=\"application/json\" id=\"report-data\">";
  const size_t begin = page.find(opening) + opening.size();
  return Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

RunReport report_of(const std::filesystem::path& directory) {
  return {.run_directory = directory, .state = "finished", .step = 3, .max_steps = 3};
}

void write_preview(const std::filesystem::path& run, const std::string& step, const std::string& prompts,
                   const std::string& picture) {
  std::filesystem::create_directories(run / "previews" / ("step-" + step));
  write_bytes(run / "previews" / ("step-" + step) / "prompts.txt", prompts);
  write_bytes(run / "previews" / ("step-" + step) / "00.png", picture);
}

TEST(Report, HoldsWhatItIsTold) {
  const TemporaryFolder folder;
  write_bytes(folder / "metrics.jsonl", "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.25}\n");
  RunReport report = report_of(folder / "");
  report.settings = {{.name = "lora-rank", .value = "8", .default_value = "16"}};
  write_report(report);
  const Json data = data_in(folder / "report.html");
  EXPECT_EQ(data["state"], "finished");
  EXPECT_EQ(data["curves"]["loss"], Json::parse("[[1,0.5],[2,0.25]]"));
  EXPECT_EQ(data["figures"]["recorded_steps"], 2);
  EXPECT_EQ(data["settings"][0]["default"], "16");
}

TEST(Report, IsAsGoodAsEmptyBeforeAnythingHappened) {
  const TemporaryFolder folder;
  write_report(report_of(folder / ""));
  const Json data = data_in(folder / "report.html");
  EXPECT_TRUE(data["figures"]["loss_last"].is_null());
  EXPECT_TRUE(data["previews"]["steps"].empty());
}

TEST(Report, TextFromOutsideCannotLeaveItsPlace) {
  const TemporaryFolder folder;
  const std::string hostile = "</script><script>alert(1)</script><!-- {{data}} {{title}} & \xff";
  const auto run = folder / "<b>{{data}}&\"run\"";
  write_preview(run, "000001", hostile + "\n", "bytes");
  RunReport report = report_of(run);
  report.captions = {hostile};
  report.settings = {{.name = "x", .value = hostile}};
  write_report(report);
  const std::string page = bytes_of(run / "report.html");
  EXPECT_THAT(page, testing::Not(testing::HasSubstr("<script>alert")));
  EXPECT_THAT(page, testing::Not(testing::HasSubstr("<b>")));
  EXPECT_THAT(page, testing::HasSubstr("<title>&lt;b&gt;{{data}}&amp;&quot;run&quot; "));
  const Json data = data_in(run / "report.html");
  EXPECT_EQ(data["name"], "<b>{{data}}&\"run\"");
  EXPECT_THAT(data["captions"][0].get<std::string>(), testing::StartsWith("</script><script>alert(1)"));
}

TEST(Report, HoldsThePreviewsByStepAndPrompt) {
  const TemporaryFolder folder;
  write_preview(folder / "", "000000", "a fox\na pier\n", "one");
  write_preview(folder / "", "000010", "a fox\n", "two");
  write_bytes(folder / "previews/step-000000/01.png", "three");
  std::filesystem::create_directories(folder / "previews/step-000020");
  std::filesystem::create_directories(folder / "previews/notes");
  write_report(report_of(folder / ""));
  const Json previews = data_in(folder / "report.html")["previews"];
  EXPECT_EQ(previews["steps"], Json::parse("[0,10]"));
  EXPECT_EQ(previews["prompts"], Json::parse("[\"a fox\",\"a pier\"]"));
  ASSERT_EQ(previews["pictures"].size(), 3u);
  EXPECT_EQ(previews["pictures"][0]["image"], "data:image/png;base64,b25l");
  EXPECT_EQ(previews["pictures"][1]["image"], "data:image/png;base64,dGhyZWU=");
}

TEST(Report, ShowsFirstAndLastOfManyPreviewsAndSomeBetween) {
  const TemporaryFolder folder;
  for (int step = 0; step <= 50; ++step)
    write_preview(folder / "", std::to_string(100000 + step), "a fox\n", "x");
  write_report(report_of(folder / ""));
  const Json previews = data_in(folder / "report.html")["previews"];
  EXPECT_EQ(previews["all_step_count"], 51);
  EXPECT_EQ(previews["steps"].size(), 12u);
  EXPECT_EQ(previews["steps"].front(), 100000);
  EXPECT_EQ(previews["steps"].back(), 100050);
}

TEST(Report, DoesNotGrowWithoutBoundsWithLargePictures) {
  const TemporaryFolder folder;
  const std::string picture(size_t{10} << 20, 'x');
  for (int step = 0; step < 5; ++step)
    write_preview(folder / "", std::to_string(100000 + step), "a fox\n", picture);
  write_report(report_of(folder / ""));
  EXPECT_EQ(data_in(folder / "report.html")["previews"]["steps"], Json::parse("[100000,100004]"));
}

TEST(Report, ThatCannotBeWrittenIsAnIoError) {
  EXPECT_THROW(write_report(report_of("/no/such/run")), Error);
}

}  // namespace
}  // namespace sdlora::monitoring
