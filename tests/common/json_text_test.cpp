#include "common/json_text.h"

#include <gtest/gtest.h>

namespace sdlora {
namespace {

using Json = nlohmann::json;

std::string nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(JsonText, RefusesWhatIsNestedTooDeep) {
  EXPECT_NO_THROW(parse_json(nested(kDeepestJson)));
  EXPECT_THROW(parse_json(nested(kDeepestJson + 2)), Json::exception);
  EXPECT_THROW(parse_json(nested(1'000'000)), Json::exception);
  EXPECT_TRUE(parse_json_or_discard(nested(1'000'000)).is_discarded());
}

TEST(JsonText, ReadsJsonAndNothingElse) {
  EXPECT_EQ(parse_json(R"({"a": [1, 2.5, "ä"]})")["a"][2], "ä");
  EXPECT_THROW(parse_json("{"), Json::exception);
  EXPECT_TRUE(parse_json_or_discard("").is_discarded());
}

TEST(JsonText, QuotesThePythonNumbersThatAreNoJson) {
  EXPECT_EQ(quote_nonfinite_numbers(R"({"a": -Infinity, "b": [NaN,Infinity], "c": 1})"),
            R"({"a": "-Infinity", "b": ["NaN","Infinity"], "c": 1})");
  for (const char* kept :
       {R"({"a NaN": "-Infinity \" NaN", "b\\": "Infinity"})", R"("NaN)", R"("\)", "", "Na", "-5"})
    EXPECT_EQ(quote_nonfinite_numbers(kept), kept);
  EXPECT_EQ(parse_json(quote_nonfinite_numbers(R"({"lambda_min_clipped": -Infinity})"))["lambda_min_clipped"],
            "-Infinity");
  EXPECT_TRUE(parse_json_or_discard(quote_nonfinite_numbers("xInfinity")).is_discarded());
}

TEST(JsonText, TakesWholeNumbersOnly) {
  for (const char* text : {"0", "-5", "9223372036854775807", "-9223372036854775808"})
    EXPECT_EQ(std::to_string(whole_number(Json::parse(text))), text);
  for (const char* text :
       {"1.0", "1e300", "9223372036854775808", "18446744073709551615", "true", "\"1\"", "null"})
    EXPECT_THROW(whole_number(Json::parse(text)), Json::exception) << text;
}

}  // namespace
}  // namespace sdlora
