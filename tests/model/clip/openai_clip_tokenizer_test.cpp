#include "model/clip/openai_clip_tokenizer.h"

#include <gmock/gmock.h>

#include "model/clip/clip_tokenizer.h"

namespace sdlora::model {
namespace {

TEST(OpenAiClipTokenizer, HasTheVocabularyOfStableDiffusion) {
  const ClipTokenizerFiles files = openai_clip_tokenizer(ClipPadding::kEndMarker);
  EXPECT_EQ(files.vocabulary.size(), 49408);
  EXPECT_EQ(files.vocabulary.at("!"), 0);
  EXPECT_EQ(files.vocabulary.at("!</w>"), 256);
  EXPECT_EQ(files.vocabulary.at("jekyll</w>"), 49405);
  EXPECT_EQ(files.start_id, 49406);
  EXPECT_EQ(files.end_id, 49407);
  EXPECT_EQ(files.padding_id, 49407);
}

TEST(OpenAiClipTokenizer, EncodesAsTheOriginalDoes) {
  const ClipTokenizer tokenizer(openai_clip_tokenizer(ClipPadding::kEndMarker), "CLIP");
  const std::vector<int64_t> ids = tokenizer.encode("hello! a photo of a cat");
  EXPECT_THAT(std::vector<int64_t>(ids.begin(), ids.begin() + 10),
              testing::ElementsAre(49406, 3306, 256, 320, 1125, 539, 320, 2368, 49407, 49407));
}

TEST(OpenAiClipTokenizer, OfStableDiffusion2PadsWithAnExclamationMarkAndTakesItForASpecialToken) {
  const ClipTokenizer tokenizer(openai_clip_tokenizer(ClipPadding::kExclamationMark), "CLIP");
  const std::vector<int64_t> ids = tokenizer.encode("hello!");
  EXPECT_THAT(std::vector<int64_t>(ids.begin(), ids.begin() + 5),
              testing::ElementsAre(49406, 3306, 0, 49407, 0));
}

}  // namespace
}  // namespace sdlora::model
