#include "common/pattern.h"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sdlora {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Pattern pattern(const std::string& text) {
  return {text, "alpha_pattern of a.json", ExitCode::kBadData};
}

std::string refusal_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
    return error.what();
  }
  return "nothing was refused";
}

TEST(Pattern, IsFoundAnywhereOrMatchesAll) {
  EXPECT_TRUE(pattern(R"(\.attn[12]\.to_(q|k)$)").is_found_in("mid_block.attn1.to_q"));
  EXPECT_FALSE(pattern(R"(\.attn[12]\.to_(q|k)$)").is_found_in("mid_block.attn1.to_q.0"));
  EXPECT_FALSE(pattern("to_q$").is_found_in("to_q\n"));
  EXPECT_TRUE(pattern("a|ab").matches("ab"));
  EXPECT_FALSE(pattern("b").matches("ab"));
  EXPECT_TRUE(pattern("^(?!.*attn2).*to_q").is_found_in("x.attn1.to_q"));  // as Python has it
  EXPECT_TRUE(pattern("").is_found_in(""));
}

TEST(Pattern, ThatIsNoneIsRefusedWithThePlace) {
  for (const std::string text : {"(", "[a", "a{2,1}", "*", "(?<x", "\\"})
    EXPECT_THAT(refusal_of([&] { pattern(text); }), AllOf(HasSubstr("a.json"), HasSubstr(text))) << text;
  EXPECT_THAT(refusal_of([] { pattern(std::string(20'000, 'a')); }), HasSubstr("20000 bytes"));
  EXPECT_THAT(refusal_of([] { pattern(std::string(5'000, '(') + std::string(5'000, ')')); }),
              HasSubstr("a.json"));
}

TEST(Pattern, ThatWouldTakeForEverIsRefusedWithinSeconds) {
  const auto start = std::chrono::steady_clock::now();
  std::string subject(201, 'a');
  subject.back() = '!';
  for (const std::string text : {"(a|aa)+$", "(a|a)*$", "(a+)+$", "^(([a-z])+.)+[A-Z]([a-z])+$"})
    EXPECT_THAT(refusal_of([&] { pattern(text).is_found_in(subject); }), HasSubstr("takes too long")) << text;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(Pattern, LooksAtLongSubjectsWithoutDeepStacks) {
  const std::string name(100'000, 'a');
  EXPECT_TRUE(pattern("(.*\\.)?(a+)").matches(name));
  EXPECT_FALSE(pattern("(.*\\.)?(a+b)").matches(name));
}

}  // namespace
}  // namespace sdlora
