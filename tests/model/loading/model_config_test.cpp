#include "model/loading/model_config.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ModelConfigs : public testing::Test {
 protected:
  ModelConfig config(const std::string& json) {
    write_bytes(folder_ / "config.json", json);
    return ModelConfig(folder_ / "config.json");
  }

  TemporaryFolder folder_;
};

TEST_F(ModelConfigs, TakeTheInfinitiesThatDiffusersWrites) {
  const ModelConfig file = config(R"({"low": -Infinity, "high": Infinity, "n": -5.5, "odd": NaN})");
  EXPECT_EQ(file.number_or_infinity("low", 0), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(file.number_or_infinity("high", 0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(file.number_or_infinity("n", 0), -5.5);
  EXPECT_EQ(file.number_or_infinity("absent", 3), 3);
  for (const char* key : {"low", "odd"})
    EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { (void)file.number(key); }), HasSubstr(key));
  EXPECT_THAT(message_of_error(ExitCode::kBadData, [&] { (void)file.number_or_infinity("odd", 0); }),
              HasSubstr("odd: \"NaN\""));
}

TEST_F(ModelConfigs, TellNullFromAbsent) {
  const ModelConfig file = config(R"({"null": null, "value": 1})");
  EXPECT_TRUE(file.is_null("null"));
  EXPECT_FALSE(file.is_null("absent"));
  EXPECT_FALSE(file.is_null("value"));
  EXPECT_FALSE(file.has("null"));
  EXPECT_TRUE(file.has("value"));
}

TEST_F(ModelConfigs, GiveAPartAsAConfigOfItsOwn) {
  const ModelConfig file = config(R"({"text_config": {"hidden_size": 8}, "list": [1]})");
  EXPECT_EQ(file.section("text_config")->integer("hidden_size"), 8);
  EXPECT_FALSE(file.section("list").has_value());
  EXPECT_FALSE(file.section("absent").has_value());
}

TEST_F(ModelConfigs, ShowTheBeginningOfALongValueWhenTheyRefuseIt) {
  std::string list = "0.125";
  for (int i = 1; i < 1000; ++i) list += ", 0.125";
  const ModelConfig file = config("{\"trained_betas\": [" + list + "]}");
  EXPECT_EQ(file.numbers("trained_betas").size(), 1000U);
  const std::string message =
      message_of_error(ExitCode::kBadData, [&] { file.require("trained_betas", "null", "try another"); });
  EXPECT_THAT(message,
              AllOf(HasSubstr("[0.125,0.125,"), HasSubstr("… (1000 values)"), HasSubstr("try another")));
  EXPECT_LT(message.size(), 400U);
  for (const char* text : {"[]", "[1, \"a\"]", "3", "\"x\""})
    EXPECT_THAT(message_of_error(ExitCode::kBadData,
                                 [&] { (void)config(std::string("{\"b\": ") + text + "}").numbers("b"); }),
                HasSubstr("a list of numbers"));
}

}  // namespace
}  // namespace sdlora::model
