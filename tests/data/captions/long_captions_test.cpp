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

}  // namespace
}  // namespace sdlora::data
