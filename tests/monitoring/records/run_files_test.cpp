#include "monitoring/records/run_files.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"

namespace sdlora::monitoring {
namespace {

TEST(RunName, IsThatOfTheDirectoryHoweverItIsWritten) {
  EXPECT_EQ(run_name("runs/ink"), "ink");
  EXPECT_EQ(run_name("runs/ink/"), "ink");
  EXPECT_EQ(run_name("runs/ink/."), "ink");
  EXPECT_EQ(run_name("runs/ink/../oil"), "oil");
  EXPECT_EQ(run_name("."), std::filesystem::current_path().filename());
}

TEST(RunId, TellsRunsOfOneNameApartAndStays) {
  const TemporaryFolder folder;
  for (const char* name : {"a/run", "b/run"}) std::filesystem::create_directories(folder / name);
  EXPECT_NE(run_id(folder / "a/run"), run_id(folder / "b/run"));
  EXPECT_EQ(run_id(folder / "a/run"), run_id(folder / "b/../a/run/"));
  std::filesystem::create_directory_symlink(folder / "a/run", folder / "link");
  EXPECT_EQ(run_id(folder / "link"), run_id(folder / "a/run"));
}

}  // namespace
}  // namespace sdlora::monitoring
