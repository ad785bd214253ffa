// GoogleTest's main for the tests of a folder, which are one executable:
//
//   build/tests/trainer_tests                                        all of them
//   build/tests/trainer_tests --source optimizer_test                those of tests/trainer/…/optimizer_test.cpp
//   build/tests/trainer_tests --gtest_filter='AdamW.*'               GoogleTest's own choice
#include <filesystem>
#include <iostream>
#include <string>

#include <gmock/gmock.h>

namespace {

// GoogleTest's filter for the tests that are written in a source file of this name.
std::string filter_of(const std::string& source) {
  std::string filter;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int suite = 0; suite < all.total_test_suite_count(); ++suite) {
    const testing::TestSuite& tests = *all.GetTestSuite(suite);
    for (int test = 0; test < tests.total_test_count(); ++test)
      if (std::filesystem::path(tests.GetTestInfo(test)->file()).stem() == source)
        filter += std::string(tests.name()) + "." + tests.GetTestInfo(test)->name() + ":";
  }
  return filter;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  if (argc == 1) return RUN_ALL_TESTS();
  const std::string filter = argc == 3 && std::string(argv[1]) == "--source" ? filter_of(argv[2]) : "";
  if (filter.empty()) {
    std::cerr << argv[0] << ": no source of these tests is named so; expected --source NAME_test\n";
    return 1;
  }
  // A death test begins anew with these arguments and with GoogleTest's own choice of itself.
  if (testing::GTEST_FLAG(filter) == "*") testing::GTEST_FLAG(filter) = filter;
  return RUN_ALL_TESTS();
}
