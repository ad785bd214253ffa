#include "data/captions/captions.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "common/error.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Captions : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) { write_bytes(folder_ / name, text); }

  std::vector<std::string> captions_of(const std::vector<std::string>& sources,
                                       const std::optional<std::string>& rest = std::nullopt) {
    places_.for_the_rest = rest;
    CaptionTable table;
    const ImageCaptions found = find_captions(folder_.path(), sources, places_, table);
    std::vector<std::string> captions;
    for (const std::vector<int64_t>& rows : found.rows_of_image)
      for (const int64_t row : rows) captions.push_back(table.captions()[static_cast<size_t>(row)]);
    return captions;
  }

  std::string refusal(const std::vector<std::string>& sources) {
    CaptionTable table;
    return message_of_error(ExitCode::kBadData,
                            [&] { find_captions(folder_.path(), sources, places_, table); });
  }

  const TemporaryFolder folder_;
  CaptionPlaces places_;
};

TEST_F(Captions, ATextFileGoesBeforeMetadataAndThatBeforeTheCommonCaption) {
  write("a.txt", "from the text file");
  write("metadata.jsonl", R"({"file_name": "a.png", "text": "from metadata a"}
{"file_name": "b.png", "text": "from metadata b", "other": 1})");
  EXPECT_THAT(captions_of({"a.png", "b.png", "c.png"}, "common"),
              ElementsAre("from the text file", "from metadata b", "common"));
}

TEST_F(Captions, AreReadFromRowsWhereTheListIsACsv) {
  write("metadata.csv",
        "\xEF\xBB\xBF"
        "file_name,other,text\r\na.png,1,\"a \"\"fox\"\", and\nmore\"\r\n\r\n"
        "./sub/b.png,,a 5\" nail, no: two fields more\r\n");
  EXPECT_THAT(refusal({"a.png"}),
              testing::AllOf(HasSubstr("metadata.csv, row 3"), HasSubstr("4 fields below 3")));
  write("metadata.csv",
        "file_name,other,text\na.png,1,\"a \"\"fox\"\", and\nmore\"\n./sub/b.png,,a 5\" nail");
  EXPECT_THAT(captions_of({"a.png", "sub/b.png"}), ElementsAre("a \"fox\", and\nmore", "a 5\" nail"));
  places_.column = "other";
  EXPECT_THAT(captions_of({"a.png"}), ElementsAre("1"));
}

TEST_F(Captions, NameTheRowOfACsvThatCannotBeUsed) {
  write("metadata.csv", "file_name,caption\na.png,x\n");
  EXPECT_THAT(refusal({"a.png"}),
              testing::AllOf(HasSubstr("metadata.csv, row 2"), HasSubstr("no text \"text\"")));
  write("metadata.csv", "file_name,text\na.png\n");
  EXPECT_THAT(refusal({"a.png"}), HasSubstr("row 2"));
  write("metadata.csv", "file_name,text\na.png,\"never closed\nb.png,x\n");
  EXPECT_THAT(refusal({"a.png"}), HasSubstr("row 2"));
  write("metadata.csv", "file_name,text\na.png,x\na.png,y\n");
  EXPECT_THAT(refusal({"a.png"}), testing::AllOf(HasSubstr("row 3"), HasSubstr("a second text for a.png")));
  write("metadata.csv", "");
  EXPECT_THAT(refusal({"a.png"}), HasSubstr("no caption"));
  write("metadata.jsonl", R"({"file_name": "a.png", "text": "x"})");
  EXPECT_THAT(refusal({"a.png"}), HasSubstr("two lists of captions"));
}

TEST_F(Captions, AreInTheFirstFileOfTheExtensionsThatIsThere) {
  write("a.txt", "text");
  write("a.caption", "caption");
  write("b.caption", "caption of b");
  write("c.tags", "tags");
  EXPECT_THAT(captions_of({"a.png", "b.png", "c.png"}, "common"),
              ElementsAre("text", "caption of b", "common"));
  places_.extensions = "tags, .caption";
  EXPECT_THAT(captions_of({"a.png", "b.png", "c.png"}, "common"),
              ElementsAre("caption", "caption of b", "tags"));
  places_.extensions = " ,";
  EXPECT_THAT(message_of_error(ExitCode::kUsage, [&] { captions_of({"a.png"}); }),
              HasSubstr("--caption-extension"));
}

TEST_F(Captions, AreTheColumnThatIsAskedFor) {
  write("metadata.jsonl", R"({"file_name": "a.png", "text": "a text", "blip": "a description"})");
  places_.column = "blip";
  EXPECT_THAT(captions_of({"a.png"}), ElementsAre("a description"));
  places_.column = "tags";
  EXPECT_THAT(refusal({"a.png"}), HasSubstr("no text \"tags\""));
}

TEST_F(Captions, AreListedOnceInOrderOfUseBehindTheEmptyOne) {
  for (const auto& [name, text] : {std::pair{"a", "second"}, {"b", "first"}, {"c", "second"}, {"d", ""}})
    write(std::string(name) + ".txt", text);
  CaptionTable table;
  const ImageCaptions found = find_captions(folder_.path(), {"a.png", "b.png", "c.png", "d.png"}, {}, table);
  EXPECT_THAT(table.captions(), ElementsAre("", "second", "first"));
  EXPECT_THAT(found.rows_of_image,
              ElementsAre(ElementsAre(1), ElementsAre(2), ElementsAre(1), ElementsAre(0)));
}

TEST_F(Captions, MayBeSeveralInALineOfMetadata) {
  write("metadata.jsonl", R"({"file_name": "a.png", "text": ["one", " another ", ""]}
{"file_name": "b.png", "text": ["another"]})");
  CaptionTable table;
  const ImageCaptions found = find_captions(folder_.path(), {"a.png", "b.png"}, {}, table);
  EXPECT_THAT(table.captions(), ElementsAre("", "one", "another"));
  EXPECT_THAT(found.rows_of_image, ElementsAre(ElementsAre(1, 2, 0), ElementsAre(2)));
  EXPECT_THAT(found.emptied_images, ElementsAre("a.png"));
  for (const char* list : {"[]", "[1]", "[\"a\", null]", "{}"}) {
    write("metadata.jsonl", fmt::format(R"({{"file_name": "a.png", "text": {}}})", list));
    EXPECT_THAT(refusal({"a.png"}), HasSubstr("no text \"text\"")) << list;
  }
}

TEST_F(Captions, LoseWhiteSpaceAtTheEndsAndAByteOrderMark) {
  write("a.txt", "\xEF\xBB\xBF  a cat,\n on a mat \r\n\n");
  write("b.txt", " \n ");
  EXPECT_THAT(captions_of({"a.png", "b.png"}), ElementsAre("a cat,\n on a mat", ""));
}

TEST_F(Captions, BelongToTheirFolder) {
  write("cats/one.txt", "a cat");
  write("metadata.jsonl", R"({"file_name": "dogs/one.png", "text": "a dog, from above"}
{"file_name": "dogs/two.png", "text": "another dog, from above"})");
  write("dogs/metadata.jsonl", R"({"file_name": "one.png", "text": "a dog, from beside"})");
  EXPECT_THAT(captions_of({"cats/one.jpg", "dogs/one.png", "dogs/two.png"}),
              ElementsAre("a cat", "a dog, from beside", "another dog, from above"));
}

TEST_F(Captions, OnesThatAreMissingAreListedUpToTwenty) {
  std::vector<std::string> sources;
  for (int image = 10; image < 40; ++image) sources.push_back("image" + std::to_string(image) + ".png");
  write("image12.txt", "the only one");
  const std::string message = refusal(sources);
  EXPECT_THAT(message, HasSubstr("29 of 30 images have no caption"));
  EXPECT_THAT(message, HasSubstr("image10.png"));
  EXPECT_THAT(message, Not(HasSubstr("image12.png")));
  EXPECT_THAT(message, HasSubstr("and 9 more"));
  EXPECT_THAT(message, Not(HasSubstr("image39.png")));
}

TEST_F(Captions, ThatAreNotTextAreRefused) {
  for (const std::string& text :
       {std::string("caf\xE9"), std::string("a\0b", 3), std::string(17 << 10, 'x')}) {
    write("a.txt", text);
    EXPECT_THAT(refusal({"a.png"}), HasSubstr("a.png: "));
  }
}

TEST_F(Captions, MetadataThatCannotBeUsedIsNamedByLine) {
  const std::string good = R"({"file_name": "a.png", "text": "a"})";
  for (const char* line :
       {"not json", "[1]", R"({"file_name": "b.png"})", R"({"text": "b"})",
        R"({"file_name": "b.png", "text": 5})", R"({"file_name": "a.png", "text": "another"})"}) {
    write("metadata.jsonl", good + "\n\n" + line + "\n");
    EXPECT_THAT(refusal({"a.png"}), HasSubstr("metadata.jsonl, line 3")) << line;
  }
}

}  // namespace
}  // namespace sdlora::data
