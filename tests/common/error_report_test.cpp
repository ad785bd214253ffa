#include "common/error_report.h"

#include <new>
#include <stdexcept>
#include <system_error>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace sdlora {
namespace {

using testing::HasSubstr;
using testing::Not;

template <typename Body>
ErrorReport failure_of(const Body& body) {
  try {
    body();
  } catch (...) {
    return report_of(std::current_exception());
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ExitCode::kDone, ""};
}

TEST(ErrorReport, AnErrorIsTakenAsItIs) {
  const auto failure = failure_of([] { throw Error(ExitCode::kBadData, {.what = "bad", .where = "a.h5"}); });
  EXPECT_EQ(failure.exit_code, ExitCode::kBadData);
  EXPECT_EQ(failure.message, "bad\n  where:    a.h5");
}

TEST(ErrorReport, AnUnexpectedExceptionIsADefectOfOurs) {
  const auto failure = failure_of([] { throw std::out_of_range("vector::_M_range_check\nsecond line"); });
  EXPECT_EQ(failure.exit_code, ExitCode::kInternal);
  EXPECT_THAT(failure.message, HasSubstr("defect"));
  EXPECT_THAT(failure.message, HasSubstr("vector::_M_range_check"));
  EXPECT_THAT(failure.message, Not(HasSubstr("second line")));
}

TEST(ErrorReport, ATorchErrorComesWithoutItsBacktrace) {
  const auto failure = failure_of([] { at::ones({2, 3}).matmul(at::ones({2, 3})); });
  EXPECT_THAT(failure.message, HasSubstr("mat1 and mat2 shapes cannot be multiplied"));
  EXPECT_THAT(failure.message, Not(HasSubstr("Exception raised from")));
}

TEST(ErrorReport, LackOfMemoryIsSaidAsSuch) {
  const auto of_torch = failure_of([] { at::empty({int64_t{1} << 55}); });
  const auto of_the_system = failure_of([] { throw std::bad_alloc(); });
  for (const auto& failure : {of_torch, of_the_system}) {
    EXPECT_THAT(failure.message, testing::StartsWith("out of memory"));
    EXPECT_THAT(failure.message, Not(HasSubstr("defect")));
  }
}

TEST(ErrorReport, ALimitOnThreadsIsNoDefect) {
  const auto failure = failure_of(
      [] { throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again)); });
  EXPECT_EQ(failure.exit_code, ExitCode::kMismatch);
  EXPECT_THAT(failure.message, HasSubstr("pids.max"));
  const auto other =
      failure_of([] { throw std::system_error(std::make_error_code(std::errc::invalid_argument)); });
  EXPECT_EQ(other.exit_code, ExitCode::kInternal);
}

TEST(ErrorReport, EvenAThrownNumberHasAMessage) {
  EXPECT_THAT(failure_of([] { throw 42; }).message, HasSubstr("unknown type"));
}

}  // namespace
}  // namespace sdlora
