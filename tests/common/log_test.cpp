#include "common/log.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "common/error.h"

namespace sdlora::log {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

// The log belongs to the process, so each test adds a file of its own.
class LogTest : public testing::Test {
 protected:
  LogTest() {
    std::string pattern = testing::TempDir() + "/sdlora-log-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }

  ~LogTest() override {
    set_format(Format::kText);
    start(0, 1);
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path add_file() {
    log::add_file(folder_ / "log.txt");
    return folder_ / "log.txt";
  }

  static std::string text_of(const std::filesystem::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }

  std::filesystem::path folder_;
};

TEST_F(LogTest, ALineHasTimeLevelAndRank) {
  start(1, 4);
  const auto file = add_file();
  warning("something");
  EXPECT_THAT(text_of(file), MatchesRegex("[0-9-]+ [0-9:]+ W \\[rank 1\\] something\n"));
}

TEST_F(LogTest, AJsonLineHasThemAsFields) {
  start(2, 4);
  set_format(Format::kJson);
  const auto file = add_file();
  error("expected: \"this\"\n  seen: that \xff");
  const std::string text = text_of(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["level"], "error");
  EXPECT_EQ(json["rank"], 2);
  EXPECT_THAT(json["message"].get<std::string>(), HasSubstr("expected: \"this\"\n  seen: that "));
  EXPECT_THAT(json["time"].get<std::string>(),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+[.][0-9]+Z"));
}

TEST_F(LogTest, ALineDoesNotSteerTheTerminal) {
  const auto file = add_file();
  warning("a caption \x1b]0;title\x07 and \xFF");
  EXPECT_THAT(text_of(file), HasSubstr("a caption \\x1b]0;title\\x07 and \\xff"));
}

TEST_F(LogTest, OtherRanksLeaveTheTerminalToRankZero) {
  start(1, 2);
  testing::internal::CaptureStderr();
  info("for the file");
  warning("for everybody");
  const std::string terminal = testing::internal::GetCapturedStderr();
  EXPECT_THAT(terminal, Not(HasSubstr("for the file")));
  EXPECT_THAT(terminal, HasSubstr("[rank 1] for everybody"));
}

TEST_F(LogTest, SomeLinesAreForTheFilesAlone) {
  const auto file = add_file();
  testing::internal::CaptureStderr();
  info_to_files("one more step");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(text_of(file), HasSubstr("I one more step"));
}

TEST_F(LogTest, ALineOnTheTerminalCanBeSurrounded) {
  std::string calls;
  surround_terminal_lines([&](const std::function<void()>& write) {
    calls += "before ";
    write();
    calls += "after ";
  });
  testing::internal::CaptureStderr();
  info("a line");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("a line"));
  surround_terminal_lines({});
  info("another");
  EXPECT_EQ(calls, "before after ");
}

TEST_F(LogTest, AFileThatCannotBeWrittenIsAnError) {
  const std::filesystem::path file = add_file() / "log.txt";  // in what is no folder
  try {
    log::add_file(file);
    FAIL() << "it should have thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kIo);
    EXPECT_THAT(error.what(), HasSubstr(file.string()));
  }
}

}  // namespace
}  // namespace sdlora::log
