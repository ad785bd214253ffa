#include "monitoring/replace_file.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "common/error.h"
#include "tests/monitoring/temporary_folder.h"
#include "tests/monitoring/text_file.h"

namespace sdlora::monitoring {
namespace {

size_t files_in(const std::filesystem::path& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
}

TEST(ReplaceFile, WritesAndReplacesAndLeavesNothingBeside) {
  const TemporaryFolder folder;
  replace_file(folder / "a.txt", "first and longer");
  replace_file(folder / "a.txt", "second");
  EXPECT_EQ(text_of(folder / "a.txt"), "second");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(ReplaceFile, AReaderNeverSeesHalfAFile) {
  const TemporaryFolder folder;
  const std::string one(200'000, 'a'), other(300'000, 'b');
  replace_file(folder / "a.txt", one);
  std::atomic<bool> is_over = false;
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) replace_file(folder / "a.txt", i % 2 ? one : other);
    is_over = true;
  });
  while (!is_over) {
    const std::string text = text_of(folder / "a.txt");
    EXPECT_TRUE(text == one || text == other) << text.size();
  }
  writer.join();
}

TEST(ReplaceFile, AFolderThatDoesNotExistIsAnIoErrorThatNamesTheFile) {
  const TemporaryFolder folder;
  try {
    replace_file(folder / "absent/a.txt", "text");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kIo);
    EXPECT_THAT(std::string(error.what()), testing::HasSubstr("absent/a.txt"));
    EXPECT_THAT(std::string(error.what()), testing::HasSubstr("No such file or directory"));
  }
}

TEST(ReplaceFile, AFailureLeavesTheOldFileAndNothingBeside) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "taken");
  write_text(folder / "taken/inside", "x");
  EXPECT_THROW(replace_file(folder / "taken", "text"), Error);
  EXPECT_EQ(files_in(folder.path()), 1U);
  EXPECT_EQ(text_of(folder / "taken/inside"), "x");
}

}  // namespace
}  // namespace sdlora::monitoring
