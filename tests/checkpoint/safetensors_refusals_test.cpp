// Files that the safetensors reference refuses, and a few that it lets pass though two readers would read
// them differently. Each must end in one clear Error(kBadData).
#include <cstring>
#include <random>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "checkpoint/safetensors.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string with_length(const std::string& header, const std::string& data = "") {
  const uint64_t header_bytes = header.size();
  std::string bytes(sizeof header_bytes, '\0');
  std::memcpy(bytes.data(), &header_bytes, sizeof header_bytes);
  return bytes + header + data;
}

std::string length_only(uint64_t header_bytes) {
  std::string bytes(sizeof header_bytes, '\0');
  std::memcpy(bytes.data(), &header_bytes, sizeof header_bytes);
  return bytes;
}

class SafetensorsRefusals : public ::testing::Test {
 protected:
  // Both readers must say the same, with the file's name.
  std::string error_for(const std::string& bytes) {
    const auto file = folder_ / "bad.safetensors";
    write_bytes(file, bytes);
    const std::string message = error_of([&] { read_safetensors(file); });
    EXPECT_EQ(message, error_of([&] { SafetensorsFile{file}; }));
    EXPECT_THAT(message, AllOf(StartsWith("65 "), HasSubstr(file.string())));
    return message;
  }

  // A header of one tensor "x" with these fields, and 4 bytes of data.
  std::string error_for_entry(const std::string& fields) {
    return error_for(with_length("{\"x\":{" + fields + "}}", std::string(4, '\0')));
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(SafetensorsRefusals, AnEmptyFile) {
  EXPECT_THAT(error_for(""), HasSubstr("0 bytes"));
}

TEST_F(SafetensorsRefusals, SevenBytes) {
  EXPECT_THAT(error_for("1234567"), HasSubstr("7 bytes"));
}

TEST_F(SafetensorsRefusals, AHeaderOfNoBytes) {
  EXPECT_THAT(error_for(length_only(0)), HasSubstr("empty header"));
}

TEST_F(SafetensorsRefusals, AHeaderLengthOfAnyAbsurdSize) {
  EXPECT_THAT(error_for(length_only(uint64_t{1} << 63)), HasSubstr("9223372036854775808 bytes"));
  EXPECT_THAT(error_for(length_only(~uint64_t{0})), HasSubstr("18446744073709551615 bytes"));
  EXPECT_THAT(error_for(length_only(100'000'001)), HasSubstr("at most 100000000"));
}

TEST_F(SafetensorsRefusals, AHeaderOneByteLongerThanTheFile) {
  EXPECT_THAT(error_for(length_only(3) + "{}"), AllOf(HasSubstr("cut off"), HasSubstr("1 missing")));
}

TEST_F(SafetensorsRefusals, AHeaderThatIsNotUtf8) {
  EXPECT_THAT(error_for(with_length("{\"\xff\xfe\":{}}")), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_for(with_length("{\xff}")), HasSubstr("not valid JSON"));
}

TEST_F(SafetensorsRefusals, AHeaderThatIsNoObject) {
  EXPECT_THAT(error_for(with_length("[]")), HasSubstr("first byte 0x5b"));
  EXPECT_THAT(error_for(with_length(" []")), HasSubstr("first byte 0x5b"));
  EXPECT_THAT(error_for(with_length("  ")), HasSubstr("empty header"));
  EXPECT_THAT(error_for(with_length("\xef\xbb\xbf{}")), HasSubstr("first byte 0xef"));
}

TEST_F(SafetensorsRefusals, SomethingAfterTheObject) {
  EXPECT_THAT(error_for(with_length("{}{}")), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_for(with_length("{}/*a*/")), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_for(with_length(std::string("{}\0{}", 5))), HasSubstr("NUL at header byte 2"));
}

TEST_F(SafetensorsRefusals, BrokenJson) {
  for (const char* json :
       {"{", "{\"x\"}", "{\"x\":}", "{\"x\":{},}", "{'x':{}}", "{\"x\":{\"shape\":[1,]}}"}) {
    EXPECT_THAT(error_for(with_length(json)), HasSubstr("not valid JSON")) << json;
  }
}

TEST_F(SafetensorsRefusals, TrailingBytes) {
  EXPECT_THAT(error_for(with_length("{}", "abc")), HasSubstr("3 too many"));
}

TEST_F(SafetensorsRefusals, ATruncatedFileAndSaysHowMuchIsMissing) {
  const std::string header = R"({"x":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}})";
  EXPECT_THAT(error_for(with_length(header, std::string(3000, 'x'))),
              AllOf(HasSubstr("cut off"), HasSubstr("4000 bytes"), HasSubstr("1000 missing")));
}

TEST_F(SafetensorsRefusals, AHoleAtTheStartOrBetweenTensors) {
  EXPECT_THAT(error_for(with_length(R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", "1234")),
              AllOf(HasSubstr("hole"), HasSubstr("tensor x")));
  EXPECT_THAT(error_for(with_length(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                    R"("y":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                                    "1234")),
              AllOf(HasSubstr("hole"), HasSubstr("tensor y")));
}

TEST_F(SafetensorsRefusals, OverlappingTensors) {
  EXPECT_THAT(error_for(with_length(R"({"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                                    R"("y":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                                    "1234")),
              HasSubstr("share data"));
  EXPECT_THAT(error_for(with_length(R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                                    R"("y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
                                    "1234")),
              HasSubstr("share data"));
}

TEST_F(SafetensorsRefusals, ReversedOffsets) {
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), HasSubstr("[4, 0]"));
}

TEST_F(SafetensorsRefusals, OffsetsWhoseDifferenceWrapsAround) {
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,0])"),
              HasSubstr("does not fit"));
  EXPECT_THAT(error_for_entry(
                  R"("dtype":"F32","shape":[1],"data_offsets":[18446744073709551611,18446744073709551615])"),
              HasSubstr("cut off"));
}

TEST_F(SafetensorsRefusals, AShapeThatDoesNotFitItsBytes) {
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"),
              AllOf(HasSubstr("F32 of shape [2]: 8 bytes"), HasSubstr("[0, 4]"), HasSubstr("tensor x")));
}

TEST_F(SafetensorsRefusals, AShapeWhoseProductOverflows) {
  // The first comes to 4 elements modulo 2^64; the others hide behind a dimension of 0.
  for (const char* shape :
       {"[4194305,4194305,211106198978564]", "[4611686018427387904,4]", "[4294967296,4294967296,0]",
        "[0,9223372036854775807,2]", "[18446744073709551615]"}) {
    EXPECT_THAT(error_for_entry(std::string(R"("dtype":"F32","data_offsets":[0,4],"shape":)") + shape),
                HasSubstr("more than a file can hold"))
        << shape;
  }
}

TEST_F(SafetensorsRefusals, MoreThanEightDimensions) {
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])"),
              HasSubstr("more than 8 numbers"));
  std::string shape = "1";
  for (int i = 0; i < 100'000; ++i) shape += ",1";
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","data_offsets":[0,4],"shape":[)" + shape + "]"),
              HasSubstr("more than 8 numbers"));
}

TEST_F(SafetensorsRefusals, ATensorNameThatComesTwice) {
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_THAT(error_for(with_length("{\"w\":" + entry + ",\"w\":" + entry + "}", "1234")),
              HasSubstr("\"w\" again"));
}

TEST_F(SafetensorsRefusals, ATensorNameThatComesTwiceOnceSpeltWithAnEscape) {
  const std::string header = R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                             R"("\u0077":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  EXPECT_THAT(error_for(with_length(header, "1234")), HasSubstr("\"w\" again"));
}

TEST_F(SafetensorsRefusals, AFieldThatComesTwice) {
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","dtype":"U8","shape":[1],"data_offsets":[0,4])"),
              HasSubstr("\"dtype\" again"));
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","shape":[1],"sh\u0061pe":[1],"data_offsets":[0,4])"),
              HasSubstr("\"shape\" again"));
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4])"),
              HasSubstr("\"data_offsets\" again"));
}

TEST_F(SafetensorsRefusals, MetadataThatComesTwiceOrHasAKeyTwice) {
  EXPECT_THAT(error_for(with_length(R"({"__metadata__":{},"__metadata__":{}})")), HasSubstr("again"));
  EXPECT_THAT(error_for(with_length(R"({"__metadata__":{"k":"1","k":"2"}})")), HasSubstr("\"k\" again"));
}

TEST_F(SafetensorsRefusals, MetadataThatIsNotText) {
  for (const char* value : {"1", "null", "true", "[]", "{}", "1.5", "-1"}) {
    EXPECT_THAT(error_for(with_length(std::string(R"({"__metadata__":{"k":)") + value + "}}")),
                HasSubstr("\"k\""))
        << value;
  }
  error_for(with_length(R"({"__metadata__":"text"})"));
  error_for(with_length(R"({"__metadata__":[]})"));
}

TEST_F(SafetensorsRefusals, AMissingField) {
  EXPECT_THAT(error_for_entry(R"("shape":[1],"data_offsets":[0,4])"), HasSubstr("incomplete"));
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","data_offsets":[0,4])"), HasSubstr("incomplete"));
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","shape":[1])"), HasSubstr("incomplete"));
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), HasSubstr("incomplete"));
  EXPECT_THAT(error_for_entry(""), HasSubstr("incomplete"));
}

TEST_F(SafetensorsRefusals, AnUnknownFieldThatIsNestedDeepOrNoJson) {
  const std::string good = R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":)";
  EXPECT_THAT(error_for_entry(good + std::string(1000, '[') + std::string(1000, ']')), HasSubstr("too deep"));
  EXPECT_THAT(error_for_entry(good + "1e999"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_for_entry(R"("strides":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("incomplete"));
}

TEST_F(SafetensorsRefusals, ATypeThatDoesNotExistOrIsNotSupported) {
  EXPECT_THAT(error_for_entry(R"("dtype":"F31","shape":[1],"data_offsets":[0,4])"),
              AllOf(HasSubstr("F31"), HasSubstr("BF16"), HasSubstr("tensor x")));
  EXPECT_THAT(error_for_entry(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), HasSubstr("f32"));
  EXPECT_THAT(error_for_entry(R"("dtype":"F4","shape":[7],"data_offsets":[0,4])"), HasSubstr("does not fit"));
  EXPECT_THAT(error_for_entry(R"("dtype":4,"shape":[1],"data_offsets":[0,4])"), HasSubstr("a number"));
}

TEST_F(SafetensorsRefusals, NumbersThatAreNotWholeAndPositive) {
  for (const char* number :
       {"1.0", "1e0", "-1", "-0", "true", "null", "\"1\"", "[1]", "{}", "18446744073709551616"}) {
    const std::string text = number;
    error_for_entry(R"("dtype":"F32","shape":[)" + text + R"(],"data_offsets":[0,4])");
    error_for_entry(R"("dtype":"F32","shape":[1],"data_offsets":[)" + text + ",4]");
  }
  EXPECT_THAT(error_for_entry(R"("dtype":"F32","shape":[1],"data_offsets":[0.0,4.0])"),
              HasSubstr("the number 0.0"));
}

TEST_F(SafetensorsRefusals, AnEntryThatIsNoObject) {
  for (const char* entry : {"1", "\"F32\"", "[]", "null", "true"}) {
    error_for(with_length(std::string("{\"x\":") + entry + "}"));
  }
}

TEST_F(SafetensorsRefusals, NestingAHundredThousandDeep) {
  EXPECT_THAT(error_for(with_length("{\"x\":" + std::string(100'000, '['))), HasSubstr("an array"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"x\":";
  error_for(with_length(objects));
  EXPECT_THAT(error_for_entry("\"dtype\":" + objects), HasSubstr("an object inside an entry"));
}

TEST_F(SafetensorsRefusals, NamesThatHoldNul) {
  const std::string entry = R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  EXPECT_THAT(error_for(with_length("{\"a\\u0000b" + entry, "1234")), HasSubstr("no NUL"));
}

TEST_F(SafetensorsRefusals, NamesInMessagesCannotSteerTheTerminal) {
  EXPECT_THAT(error_for(with_length("{\"\\u001b[2J\":1}")),
              AllOf(HasSubstr("\\x1b[2J"), Not(HasSubstr("\x1b"))));
}

TEST_F(SafetensorsRefusals, EveryShorterPrefixOfAGoodFile) {
  const TemporaryFolder folder;
  write_safetensors(folder / "good", {{"x", at::arange(9)}, {"y", at::ones({2, 2})}}, {{"k", "v"}});
  const std::string good = bytes_of(folder / "good");
  for (size_t bytes = 0; bytes < good.size(); ++bytes) error_for(good.substr(0, bytes));
}

// Whatever a damaged header says, the outcome is an Error or tensors that lie within the file.
TEST_F(SafetensorsRefusals, RandomDamageNeverDoesWorse) {
  const TemporaryFolder folder;
  write_safetensors(folder / "good", {{"x", at::arange(9)}, {"y", at::ones({2, 2})}}, {{"k", "v"}});
  const std::string good = bytes_of(folder / "good");
  std::mt19937 random(20260101);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (uint32_t i = 0; i <= random() % 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    write_bytes(folder / "bad", bytes);
    const std::string message = error_of([&] {
      for (const auto& [name, tensor] : read_safetensors(folder / "bad")) tensor.sum();
    });
    if (message != "nothing was thrown") {
      EXPECT_THAT(message, StartsWith("65 "));
      ++refused;
    }
  }
  EXPECT_GT(refused, 1500);
  EXPECT_LT(refused, 3000);
}

}  // namespace
}  // namespace sdlora::checkpoint
