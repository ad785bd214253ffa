#include "common/shown_text.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "common/text_list.h"

namespace sdlora {
namespace {

TEST(ShownText, LeavesGoodTextAsItIs) {
  for (const char* text : {"", "a fox", "Füchse 🦊 \t 狐", "C:\\x1b"})
    EXPECT_EQ(shown_line(text, 100), text);
}

TEST(ShownText, WritesControlCharactersAsNumbers) {
  EXPECT_EQ(shown_line("\x1b[2J\r\n\x7f", 100), "\\x1b[2J\\x0d\\x0a\\x7f");
  EXPECT_EQ(shown_line("\xC2\x9B"
                       "2J",
                       100),
            "\\xc2\\x9b2J");
  EXPECT_EQ(shown_lines("one\ntwo\r", 100), "one\ntwo\\x0d");
}

TEST(ShownText, WritesWhatIsNotUtf8AsNumbers) {
  for (const auto& [text, shown] : {std::pair{"\xFF", "\\xff"},
                                    {"\xC3", "\\xc3"},
                                    {"\xC0\x80", "\\xc0\\x80"},
                                    {"\xED\xA0\x80", "\\xed\\xa0\\x80"},
                                    {"\xF4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
                                    {"\xE2\x82", "\\xe2\\x82"},
                                    {"\xE2z", "\\xe2z"}})
    EXPECT_EQ(shown_line(text, 100), shown);
}

TEST(ShownText, CutsBetweenCharactersAndSaysHowMuchIsMissing) {
  EXPECT_EQ(shown_line("aä狐b", 3), "aä… (4 bytes more)");
  EXPECT_EQ(shown_line("aä狐b", 5), "aä… (4 bytes more)");
  EXPECT_EQ(shown_line("aä狐b", 7), "aä狐b");
}

TEST(ShownText, IsWhatErrorsAreMadeOf) {
  const std::string hostile = "\xFF\x1b]0;title\x07" + std::string(100'000, 'x');
  const std::string message = Error(ExitCode::kBadData, {.what = hostile,
                                                         .expected = hostile,
                                                         .seen = indented_list({hostile, "second"}),
                                                         .where = hostile,
                                                         .advice = hostile})
                                  .what();
  EXPECT_LT(message.size(), 10'000U);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_NE(message.find("second"), std::string::npos);
  EXPECT_LT(std::string(Error(ExitCode::kBadData, hostile).what()).size(), 10'000U);
}

}  // namespace
}  // namespace sdlora
