#include "inference/prompt_file.h"

#include <fstream>

#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/support/error_of.h"

namespace sdlora::inference {
namespace {

std::filesystem::path write(const std::string& text) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path file = testing::TempDir() + "prompt_file_test_" + test->name() + ".txt";
  std::ofstream(file, std::ios::binary) << text;
  return file;
}

std::string refusal_of(const std::string& text) {
  return message_of_error(ExitCode::kBadData, [&] { read_prompt_file(write(text)); });
}

TEST(PromptFile, HoldsAPromptALine) {
  const auto lines = read_prompt_file(write("a fox\r\n\n  \t\na lighthouse, \"ink\""));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].prompt, "a fox");
  EXPECT_EQ(lines[1].prompt, "a lighthouse, \"ink\"");
  EXPECT_FALSE(lines[0].seed || lines[0].negative_prompt);
  EXPECT_TRUE(lines[0].init_image.empty() && lines[0].output.empty());
}

TEST(PromptFile, HoldsJsonObjectsAmongPrompts) {
  const auto file = write(
      "a fox\n{\"prompt\": \"ein Fuchs \\u00e4\", \"negative_prompt\": \"\", \"seed\": 9223372036854775807, "
      "\"init_image\": \"start/fox.jpg\", \"output\": \"foxes/fox.png\"}\n{\"prompt\": \"\"}");
  const auto lines = read_prompt_file(file);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1].prompt, "ein Fuchs ä");
  EXPECT_EQ(lines[1].negative_prompt, "");
  EXPECT_EQ(lines[1].seed, INT64_MAX);
  EXPECT_EQ(lines[1].init_image, file.parent_path() / "start/fox.jpg");
  EXPECT_EQ(lines[1].output, "foxes/fox.png");
  EXPECT_EQ(lines[2].prompt, "");
}

TEST(PromptFile, NamesTheLineThatCannotBeRead) {
  for (const std::string bad :
       {R"({"prompt": "x")", R"({"negative_prompt": "x"})", R"({"prompt": 3})",
        R"({"prompt": "x", "sead": 3})", R"({"prompt": "x", "seed": -1})", R"({"prompt": "x", "seed": 1.5})",
        R"({"prompt": "x", "seed": 9223372036854775808})", R"({"prompt": "x", "output": "../x.png"})",
        R"({"prompt": "x", "output": "/tmp/x.png"})", R"({"prompt": "x", "output": "x.jpg"})",
        R"({"prompt": "x", "output": ".png"})"})
    EXPECT_NE(refusal_of("a fox\n\n" + bad).find("line 3"), std::string::npos) << bad;
}

TEST(PromptFile, IsRefusedWithoutAPrompt) {
  EXPECT_NE(refusal_of("\n \n").find("no prompt"), std::string::npos);
}

TEST(PromptFile, ThatIsNotThereIsAnIoError) {
  try {
    read_prompt_file(testing::TempDir() + "no_such_prompt_file.txt");
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kIo);
  }
}

}  // namespace
}  // namespace sdlora::inference
