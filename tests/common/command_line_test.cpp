#include "common/command_line.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/error.h"

namespace sdlora {
namespace {

using testing::HasSubstr;

struct Options {
  int64_t batch_size = 8;
  std::string device = "auto";
};

Options parse(const std::vector<const char*>& words) {
  Options options;
  CLI::App app("test", "prog");
  app.add_option("--batch-size", options.batch_size);
  app.add_option("--device", options.device)->check(CLI::IsMember({"auto", "cpu"}));
  std::vector<const char*> arguments{"prog"};
  arguments.insert(arguments.end(), words.begin(), words.end());
  parse_command_line(app, static_cast<int>(arguments.size()), arguments.data());
  return options;
}

std::string usage_error(const std::vector<const char*>& words) {
  try {
    parse(words);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    return error.what();
  }
  return "no error";
}

std::string config_file(const std::string& text) {
  const std::string path = testing::TempDir() + "command_line_test.toml";
  std::ofstream(path) << text;
  return path;
}

TEST(CommandLine, SuggestsTheNearestOptionForAMisspeltOne) {
  EXPECT_THAT(usage_error({"--bach-size", "4"}), HasSubstr("did you mean --batch-size?"));
}

TEST(CommandLine, RefusesAnOptionThatResemblesNothing) {
  EXPECT_THAT(usage_error({"--zzzzzzzz"}), HasSubstr("unknown option or config key --zzzzzzzz"));
}

TEST(CommandLine, RefusesAMalformedValueAndAWordThatIsNotAllowed) {
  EXPECT_THAT(usage_error({"--batch-size", "many"}), HasSubstr("batch-size"));
  EXPECT_THAT(usage_error({"--device", "tpu"}), HasSubstr("tpu"));
}

TEST(CommandLine, ReadsAConfigFileAndLetsFlagsWin) {
  const std::string file = config_file("batch-size = 2\ndevice = \"cpu\"\n");
  const Options options = parse({"--config", file.c_str(), "--batch-size", "16"});
  EXPECT_EQ(options.batch_size, 16);
  EXPECT_EQ(options.device, "cpu");
}

// A number keeps its digits; where they stand is counted in characters by the TOML library.
TEST(CommandLine, ReadsNumbersBehindLettersOfSeveralBytesAndAByteOrderMark) {
  for (const char* text : {"\xEF\xBB\xBF"
                           "ratio = 1.25\n",
                           "x = {device = \"\", note = \"\xC3\xBC\xC3\xBC\", ratio = 1.25}\n"}) {
    double ratio = 0;
    std::string note, device;
    CLI::App app("test", "prog");
    app.add_option("--ratio", ratio);
    app.add_option("--note", note);
    app.add_option("--device", device);
    const std::string file = config_file(text);
    const char* const words[] = {"prog", "--config", file.c_str()};
    parse_command_line(app, 3, words);
    EXPECT_EQ(ratio, 1.25) << text;
  }
}

TEST(CommandLine, RefusesWhatTheTomlLibraryAsserts) {
  EXPECT_THAT(usage_error({"--config", config_file("[= 1]\n").c_str()}), HasSubstr("is not TOML"));
  EXPECT_THAT(usage_error({"--config", config_file("\xC3\xBC = 1\n").c_str()}), HasSubstr("TOML"));
}

TEST(CommandLine, SuggestsTheNearestNameForAMisspeltConfigKey) {
  const std::string file = config_file("bacth-size = 2\n");
  EXPECT_THAT(usage_error({"--config", file.c_str()}), HasSubstr("did you mean --batch-size?"));
}

TEST(CommandLine, NamesAConfigFileThatIsNotThere) {
  EXPECT_THAT(usage_error({"--config", "/no/such/file.toml"}), HasSubstr("/no/such/file.toml"));
}

TEST(CommandLine, LeavesAfterPrintingTheVersion) {
  CLI::App app("test", "prog");
  const std::vector<const char*> arguments{"prog", "--version"};
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse_command_line(app, 2, arguments.data()), ParseResult::kLeave);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("sdlora "));
}

}  // namespace
}  // namespace sdlora
