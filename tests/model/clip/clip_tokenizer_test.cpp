// The tokenizer's rules, on a vocabulary of bytes and a few merges. Every code point and every kind of folder
// is compared with transformers in tests/parity/tokenizer_parity.py.
#include "model/clip/clip_tokenizer.h"

#include <chrono>
#include <fstream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tests/support/error_of.h"

namespace sdlora::model {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
namespace fs = std::filesystem;

// ids: bytes 0…255 by value, bytes that end a word 256…511, then these
constexpr int64_t kTh = 512, kThe = 513, kCa = 514, kCat = 515, kAa = 516, kAaEnd = 517, kStart = 518,
                  kEnd = 519;

int64_t byte_id(char letter) {
  return static_cast<uint8_t>(letter);
}

int64_t last_byte_id(char letter) {
  return 256 + byte_id(letter);
}

// The vocabulary's spelling of a byte (GPT-2's bytes_to_unicode).
std::string spelling(int byte) {
  int next = 256, c = byte;
  for (int b = 0; b <= byte; ++b) {
    const bool is_printable = (b >= 33 && b <= 126) || (b >= 161 && b != 173);
    if (b == byte) c = is_printable ? b : next;
    if (!is_printable) ++next;
  }
  if (c < 128) return std::string(1, static_cast<char>(c));
  return {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
}

Json small_vocabulary() {
  Json vocabulary;
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[spelling(byte)] = byte;
    vocabulary[spelling(byte) + "</w>"] = 256 + byte;
  }
  for (const char* token :
       {"th", "the</w>", "ca", "cat</w>", "aa", "aa</w>", "<|startoftext|>", "<|endoftext|>"})
    vocabulary[token] = vocabulary.size();
  return vocabulary;
}

Json marker(const std::string& content) {
  return {{"content", content},
          {"lstrip", false},
          {"normalized", true},
          {"rstrip", false},
          {"single_word", false}};
}

class TokenizerFolder {
 public:
  TokenizerFolder()
      : path_(fs::path(::testing::TempDir()) / ("tokenizer-" + std::to_string(std::random_device()()))) {
    fs::create_directories(path_);
    write("vocab.json", small_vocabulary().dump());
    write("merges.txt", "#version: 0.2\nt h\nth e</w>\nc a\nca t</w>\na a\na a</w>\n");
    write("special_tokens_map.json", Json{{"bos_token", marker("<|startoftext|>")},
                                          {"eos_token", marker("<|endoftext|>")},
                                          {"pad_token", "!"}}
                                         .dump());
  }

  TokenizerFolder(const TokenizerFolder&) = delete;
  TokenizerFolder& operator=(const TokenizerFolder&) = delete;

  ~TokenizerFolder() { fs::remove_all(path_); }

  const fs::path& path() const { return path_; }

  void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name) << text; }

  void remove(const std::string& name) const { fs::remove(path_ / name); }

 private:
  fs::path path_;
};

// Without start, end and padding.
std::vector<int64_t> tokens(const ClipTokenizer& tokenizer, std::string_view text) {
  const std::vector<int64_t> ids = tokenizer.encode(text);
  const int64_t count = std::min(tokenizer.count_tokens(text), tokenizer.max_length() - 2);
  return {ids.begin() + 1, ids.begin() + 1 + count};
}

std::vector<int64_t> tokens(std::string_view text) {
  return tokens(ClipTokenizer(TokenizerFolder().path()), text);
}

std::string refusal_of(const TokenizerFolder& folder) {
  return message_of_error(ExitCode::kBadData, [&] { ClipTokenizer tokenizer(folder.path()); });
}

TEST(ClipTokenizer, FramesTheTokensWithStartEndAndPadding) {
  const ClipTokenizer tokenizer(TokenizerFolder().path());
  const std::vector<int64_t> ids = tokenizer.encode("the cat");
  ASSERT_EQ(ids.size(), 77);
  EXPECT_THAT(std::vector(ids.begin(), ids.begin() + 6),
              ElementsAre(kStart, kThe, kCat, kEnd, byte_id('!'), byte_id('!')));
  EXPECT_EQ(ids.back(), byte_id('!'));
}

TEST(ClipTokenizer, KeepsTheEndWhenItCuts) {
  const ClipTokenizer tokenizer(TokenizerFolder().path());
  std::string text;
  for (int i = 0; i < 200; ++i) text += "cat ";
  const std::vector<int64_t> ids = tokenizer.encode(text);
  ASSERT_EQ(ids.size(), 77);
  EXPECT_EQ(ids[75], kCat);
  EXPECT_EQ(ids[76], kEnd);
  EXPECT_EQ(tokenizer.count_tokens(text), 200);
}

TEST(ClipTokenizer, EncodesTheEmptyCaption) {
  const ClipTokenizer tokenizer(TokenizerFolder().path());
  EXPECT_EQ(tokenizer.encode("")[1], kEnd);
  EXPECT_EQ(tokenizer.encode(" \t\r ")[1], kEnd);
  EXPECT_EQ(tokenizer.count_tokens(""), 0);
}

TEST(ClipTokenizer, MergesTheLowestRankFirstAndTheLeftmostOfEquals) {
  EXPECT_THAT(tokens("aaa"), ElementsAre(kAa, last_byte_id('a')));
  EXPECT_THAT(tokens("aaaa"), ElementsAre(kAa, kAaEnd));
  EXPECT_THAT(tokens("caa"), ElementsAre(kCa, last_byte_id('a')));  // "c a" ranks before "a a</w>"
  EXPECT_THAT(tokens("thcat"), ElementsAre(kTh, kCat));
}

TEST(ClipTokenizer, LowersCaseAndCollapsesWhiteSpaceOfUnicode) {
  EXPECT_THAT(tokens("  The\u3000\u2028\tCAT\r"), ElementsAre(kThe, kCat));
}

TEST(ClipTokenizer, CutsDigitsContractionsAndPunctuation) {
  EXPECT_THAT(tokens("12"), ElementsAre(last_byte_id('1'), last_byte_id('2')));
  EXPECT_THAT(tokens("cat's"), ElementsAre(kCat, byte_id('\''), last_byte_id('s')));
  EXPECT_THAT(tokens("?'s"), ElementsAre(byte_id('?'), last_byte_id('\''), last_byte_id('s')));
}

TEST(ClipTokenizer, ReadsComposedAndDecomposedLettersAlike) {
  EXPECT_EQ(tokens("cafe\u0301"), tokens("caf\u00e9"));
  EXPECT_EQ(tokens("\u1100\u1161\u11a8"), tokens("\uac01"));
  EXPECT_NE(tokens("e"), tokens("\u00e9"));
}

TEST(ClipTokenizer, LowersEachCharacterOnItsOwn) {
  EXPECT_EQ(tokens("\u039f\u03a3"), tokens("\u03bf\u03c3"));  // no final sigma
  EXPECT_EQ(tokens("\u0130"), tokens("i\u0307"));
  EXPECT_EQ(tokens("\u1c89"), tokens("\u1c8a"));  // of Unicode 16
}

TEST(ClipTokenizer, ReadsIllFormedUtf8AsReplacementCharacters) {
  EXPECT_EQ(tokens("cat\xff"), tokens("cat\ufffd"));
  EXPECT_EQ(tokens("\xe2\x82"), tokens("\ufffd"));
  EXPECT_EQ(tokens("\xed\xa0\x80"), tokens("\ufffd\ufffd\ufffd"));
  EXPECT_EQ(tokens("\xf4\x90\x80\x80"), tokens("\ufffd\ufffd\ufffd\ufffd"));
}

TEST(ClipTokenizer, KeepsControlCharacters) {
  using namespace std::string_view_literals;
  EXPECT_THAT(tokens("cat\0cat"sv), ElementsAre(kCat, 256, kCat));
}

TEST(ClipTokenizer, TakesMarkersInACaptionForTheSpecialTokens) {
  EXPECT_THAT(tokens("cat<|endoftext|>the"), ElementsAre(kCat, kEnd, kThe));
  EXPECT_THAT(tokens("<|StartOfText|>"), ElementsAre(kStart));  // a normalized one
  EXPECT_THAT(tokens("cat!!"),
              ElementsAre(kCat, byte_id('!'), byte_id('!')));  // the padding token is special, too
}

TEST(ClipTokenizer, CutsACapitalMarkerThatIsNotNormalizedAtItsLetters) {
  const TokenizerFolder folder;
  folder.remove("special_tokens_map.json");
  const ClipTokenizer tokenizer(folder.path());
  EXPECT_THAT(tokens(tokenizer, "<|endoftext|>"), ElementsAre(kEnd));
  const std::vector<int64_t> ids = tokens(tokenizer, "<|ENDOFTEXT|>?");
  ASSERT_EQ(ids.size(), 14);
  EXPECT_EQ(ids[12], last_byte_id('>'));  // "|>" is a word of its own, "?" the next
  EXPECT_EQ(ids[13], last_byte_id('?'));
}

TEST(ClipTokenizer, FindsTokensThatAModelAdds) {
  const TokenizerFolder folder;
  Json own = marker("<my-cat>");
  own["lstrip"] = true;
  own["normalized"] = false;
  folder.write("tokenizer_config.json", Json{{"added_tokens_decoder", {{"520", own}}}}.dump());
  const ClipTokenizer tokenizer(folder.path());
  EXPECT_THAT(tokens(tokenizer, "the <my-cat> cat"), ElementsAre(kThe, 520, kCat));
  EXPECT_EQ(tokens(tokenizer, "<My-Cat>")[0], last_byte_id('<'));
}

TEST(ClipTokenizer, TakesItsLengthFromTheConfigWhereThatIsSane) {
  const TokenizerFolder folder;
  folder.write("tokenizer_config.json", R"({"model_max_length": 16})");
  EXPECT_EQ(ClipTokenizer(folder.path()).encode("cat").size(), 16);
  folder.write("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
  EXPECT_EQ(ClipTokenizer(folder.path()).max_length(), 77);
}

TEST(ClipTokenizer, IsNoLongerThanTheTextEncoderTakes) {
  const TokenizerFolder folder;
  EXPECT_EQ(ClipTokenizer(folder.path(), EncoderRoom{77, 520}).doubt(), "");
  folder.write("tokenizer_config.json", R"({"model_max_length": 225})");
  const ClipTokenizer tokenizer(folder.path(), EncoderRoom{77, 520});
  EXPECT_EQ(tokenizer.max_length(), 77);
  EXPECT_EQ(tokenizer.encode("cat").size(), 77U);
  EXPECT_THAT(tokenizer.doubt(), AllOf(HasSubstr("225"), HasSubstr("77"), HasSubstr(folder.path().string())));
  EXPECT_EQ(ClipTokenizer(folder.path()).max_length(), 225);
}

TEST(ClipTokenizer, NamesAWordThatTheTextEncoderHasNoEmbeddingOf) {
  const TokenizerFolder folder;
  folder.write("added_tokens.json", R"({"<my-thing>": 520})");
  const ClipTokenizer tokenizer(folder.path(), EncoderRoom{77, 520});
  EXPECT_THAT(tokens(tokenizer, "the cat"), ElementsAre(kThe, kCat));
  for (const auto& use : {std::function<void()>([&] { (void)tokenizer.encode("a <my-thing>"); }),
                          std::function<void()>([&] { (void)tokenizer.count_tokens("a <my-thing>"); })})
    EXPECT_THAT(message_of_error(ExitCode::kBadData, use),
                AllOf(HasSubstr("token 520 of the word \"<my-thing>\""), HasSubstr("tokens 0 … 519")));
  EXPECT_NO_THROW((void)ClipTokenizer(folder.path(), EncoderRoom{77, 521}).encode("a <my-thing>"));
  EXPECT_THAT(message_of_error(ExitCode::kBadData,
                               [&] {
                                 ClipTokenizer without_end(folder.path(), EncoderRoom{77, 519});
                               }),
              HasSubstr("<|endoftext|>"));
}

TEST(ClipTokenizer, PassesOverTheByteOrderMarkOfItsMerges) {
  const TokenizerFolder folder;
  for (const char* merges : {"\xEF\xBB\xBF#version: 0.2\nc a\nca t</w>\n",
                             "\xEF\xBB\xBF"
                             "c a\nca t</w>\n"}) {
    folder.write("merges.txt", merges);
    EXPECT_THAT(tokens(ClipTokenizer(folder.path()), "cat"), ElementsAre(kCat));
  }
}

TEST(ClipTokenizer, ReadsTokenizerJsonWhereVocabJsonIsMissing) {
  const TokenizerFolder folder;
  folder.remove("vocab.json");
  folder.remove("merges.txt");
  Json added = Json::array();
  for (const int64_t id : {kStart, kEnd}) {
    Json token = marker(id == kStart ? "<|startoftext|>" : "<|endoftext|>");
    token["id"] = id;
    added.push_back(token);
  }
  const Json merges = Json::array({Json::array({"c", "a"}), "ca t</w>"});
  folder.write(
      "tokenizer.json",
      Json{{"model", {{"vocab", small_vocabulary()}, {"merges", merges}}}, {"added_tokens", added}}.dump());
  EXPECT_THAT(tokens(ClipTokenizer(folder.path()), "cat"), ElementsAre(kCat));
}

TEST(ClipTokenizer, EncodesAMegabyteWithoutDelay) {
  const ClipTokenizer tokenizer(TokenizerFolder().path());
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& text :
       {std::string(1 << 20, 'a'), std::string(1 << 20, '?'), std::string(1 << 20, ' ')})
    tokenizer.encode(text);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(ClipTokenizer, RefusesFilesThatAreNotATokenizer) {
  const auto refusal_with = [](const std::string& name, const std::string& text) {
    const TokenizerFolder folder;
    folder.write(name, text);
    return refusal_of(folder);
  };
  EXPECT_THAT(refusal_with("vocab.json", "{\"a\": "), HasSubstr("vocab.json"));
  EXPECT_THAT(refusal_with("vocab.json", "[1, 2]"), HasSubstr("vocab.json"));
  EXPECT_THAT(refusal_with("vocab.json", R"({"a": -1})"), HasSubstr("vocab.json"));
  EXPECT_THAT(refusal_with("merges.txt", "t h\nt x\n"),
              AllOf(HasSubstr("merge 2: t x"), HasSubstr("merges.txt")));
  EXPECT_THAT(refusal_with("merges.txt", "c a t\n"), HasSubstr("line 1"));
  EXPECT_THAT(refusal_with("merges.txt", "c\n"), HasSubstr("merges.txt"));
  EXPECT_THAT(refusal_with("special_tokens_map.json", R"({"bos_token": 5})"), HasSubstr("special tokens"));
  EXPECT_THAT(refusal_with("special_tokens_map.json", R"({"bos_token": "<s>"})"), HasSubstr("<s>"));
  EXPECT_THAT(refusal_with("tokenizer_config.json", R"({"added_tokens_decoder": {"x": "y"}})"),
              HasSubstr("special tokens"));
  EXPECT_THAT(refusal_with("tokenizer_config.json", R"({"padding_side": "left"})"),
              HasSubstr("padding_side"));
}

TEST(ClipTokenizer, SaysWhichFileIsMissing) {
  const TokenizerFolder folder;
  folder.remove("merges.txt");
  EXPECT_THAT(refusal_of(folder), HasSubstr("merges.txt"));
  folder.remove("vocab.json");
  EXPECT_THAT(refusal_of(folder), HasSubstr("vocab.json"));
  EXPECT_THROW(ClipTokenizer(folder.path() / "nowhere"), Error);
}

}  // namespace
}  // namespace sdlora::model
