#include "inference/picture_requests.h"

#include <fstream>

#include <gtest/gtest.h>

#include "common/error.h"

namespace sdlora::inference {
namespace {

std::filesystem::path write_prompts(const std::string& text) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path file = testing::TempDir() + "picture_requests_test_" + test->name() + ".txt";
  std::ofstream(file) << text;
  return file;
}

void expect_refused(const GenerateOptions& options, ExitCode exit_code) {
  try {
    picture_requests(options);
    ADD_FAILURE() << "not refused: " << options.output;
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), exit_code) << error.what();
  }
}

TEST(PictureRequests, WriteOnePictureToTheFileItself) {
  const auto requests =
      picture_requests({.prompt = "a fox", .negative_prompt = "dog", .output = "new/fox.png"});
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].prompt, "a fox");
  EXPECT_EQ(requests[0].negative_prompt, "dog");
  EXPECT_EQ(requests[0].output, "new/fox.png");
}

TEST(PictureRequests, NumberSeveralPicturesAndTheirSeeds) {
  const auto requests =
      picture_requests({.prompt = "a fox", .seed = 40, .image_count = 11, .output = "fox.v1.png"});
  ASSERT_EQ(requests.size(), 11U);
  EXPECT_EQ(requests[0].output, "fox.v1-00.png");
  EXPECT_EQ(requests[10].output, "fox.v1-10.png");
  EXPECT_EQ(requests[10].seed, 50U);
}

TEST(PictureRequests, NumberThePicturesOfADirectory) {
  const auto requests = picture_requests({.prompt = "a fox", .image_count = 2, .output = "pictures"});
  EXPECT_EQ(requests[0].output, "pictures/0000.png");
  EXPECT_EQ(requests[1].output, "pictures/0001.png");
}

TEST(PictureRequests, LetALineWinOverTheCommandLine) {
  const auto file = write_prompts(
      "a fox\n"
      R"({"prompt": "a cat", "negative_prompt": "", "seed": 7, "init_image": "cat.png", "output": "cat.png"})"
      "\na dog\n");
  const auto requests = picture_requests({.negative_prompt = "blurry",
                                          .prompt_file = file,
                                          .seed = 100,
                                          .image_count = 2,
                                          .init_image = "start.png",
                                          .output = "pictures"});
  ASSERT_EQ(requests.size(), 6U);
  EXPECT_EQ(requests[1].seed, 101U);
  EXPECT_EQ(requests[1].init_image, "start.png");
  EXPECT_EQ(requests[2].output, "pictures/cat-0.png");
  EXPECT_EQ(requests[3].output, "pictures/cat-1.png");
  EXPECT_EQ(requests[3].seed, 8U);
  EXPECT_EQ(requests[3].negative_prompt, "");
  EXPECT_EQ(requests[3].init_image, file.parent_path() / "cat.png");
  EXPECT_EQ(requests[4].seed, 104U);
  EXPECT_EQ(requests[4].negative_prompt, "blurry");
  EXPECT_EQ(requests[4].output, "pictures/0004.png");
}

TEST(PictureRequests, RefuseAnOutputThatCannotHoldThem) {
  expect_refused({.prompt = "a fox", .output = "fox.jpg"}, ExitCode::kUsage);
  expect_refused({.prompt_file = write_prompts("a fox\n"), .output = "fox.png"}, ExitCode::kUsage);
}

TEST(PictureRequests, RefuseTwoPicturesOfOneName) {
  const auto file = write_prompts(R"({"prompt": "a", "output": "x.png"})"
                                  "\n"
                                  R"({"prompt": "b", "output": "./x.png"})");
  expect_refused({.prompt_file = file, .output = "pictures"}, ExitCode::kBadData);
}

}  // namespace
}  // namespace sdlora::inference
