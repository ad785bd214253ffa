#include "data/captions/long_captions.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sdlora::data {
namespace {

// `count` words of one token each
std::string words(int count) {
  std::string text = "cat";
  for (int word = 1; word < count; ++word) text += " cat";
  return text;
}

TEST(LongCaptions, LoseTheWordsBeyondTheSeventyFifthToken) {
  const model::ClipTokenizer tokenizer(std::filesystem::path(std::getenv("SDLORA_TINY_MODEL")) / "tokenizer");
  EXPECT_EQ(words_lost(tokenizer, 75, ""), "");
  EXPECT_EQ(words_lost(tokenizer, 75, words(75)), "");
  EXPECT_EQ(words_lost(tokenizer, 75, words(75) + " dog"), "dog");
  EXPECT_EQ(words_lost(tokenizer, 75, words(75) + "  a small  dog"), "a small  dog");
  std::string one_word;
  for (int number = 0; number < 100; ++number) one_word += fmt::format("x{}", number);
  EXPECT_EQ(words_lost(tokenizer, 75, "a cat " + one_word), one_word);
  EXPECT_EQ(words_lost(tokenizer, 75, one_word + " a cat"), one_word + " a cat");
}

TEST(LongCaptions, AreCountedAndTheFirstNamed) {
  const model::ClipTokenizer tokenizer(std::filesystem::path(std::getenv("SDLORA_TINY_MODEL")) / "tokenizer");
  std::vector<std::string> captions = {"", words(75)};
  for (int number = 0; number < 30; ++number) captions.push_back(words(75) + fmt::format(" dog{}", number));
  int between = 0;
  const LongCaptions found = find_long_captions(tokenizer, 75, captions, [&] { ++between; });
  EXPECT_EQ(found.count, 30);
  EXPECT_EQ(between, 32);
  ASSERT_EQ(found.first.size(), 20u);
  EXPECT_EQ(found.first[1].second, "dog1");
  EXPECT_LT(found.first[1].first.size(), 130u);
}

}  // namespace
}  // namespace sdlora::data
