#include "data/captions/caption_rules.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "common/seeds.h"

namespace sdlora::data {
namespace {

using testing::Each;
using testing::UnorderedElementsAre;

std::string text_of(const std::string& caption, const CaptionRules& rules, uint64_t seed = 0,
                    const CaptionMoment& moment = {}) {
  at::Generator generator = generator_for(seed);
  return draw_caption(caption, rules, moment, generator);
}

std::set<std::string> texts_of(const std::string& caption, const CaptionRules& rules, uint64_t count = 200) {
  std::set<std::string> texts;
  for (uint64_t seed = 0; seed < count; ++seed) texts.insert(text_of(caption, rules, seed));
  return texts;
}

TEST(CaptionRules, LeaveCaptionsAloneByDefault) {
  EXPECT_TRUE(CaptionRules().leave_captions_alone());
  EXPECT_EQ(text_of(" {a|b},  c ,\nd ", {}), " {a|b},  c ,\nd ");
  EXPECT_FALSE(CaptionRules{.prefix = "x"}.leave_captions_alone());
  EXPECT_FALSE(CaptionRules{.token_warmup_steps = 0.5}.leave_captions_alone());
  EXPECT_TRUE((CaptionRules{.keep_tokens = 3, .keep_tokens_separator = "|||"}.leave_captions_alone()));
  EXPECT_FALSE(CaptionRules{.dropout = 0.1}.leave_captions_alone());
  EXPECT_FALSE(CaptionRules{.dropout = 0.1}.make_new_texts());
}

TEST(CaptionRules, AddPrefixAndSuffix) {
  EXPECT_EQ(text_of("a cat", {.prefix = "sks,", .suffix = ", ink"}), "sks, a cat , ink");
  EXPECT_EQ(text_of("", {.prefix = "p"}), "p ");
  EXPECT_EQ(text_of("", {.prefix = "p", .shuffle = true}), "p");
  EXPECT_EQ(text_of("", {.shuffle = true}), "");
  EXPECT_THAT(texts_of("x", {.wildcards = true, .prefix = "{a|b}"}), UnorderedElementsAre("a x", "b x"));
}

TEST(CaptionRules, ChooseAPartOfEachPairOfBraces) {
  const CaptionRules rules{.wildcards = true};
  EXPECT_THAT(texts_of("{a|b} x", rules), UnorderedElementsAre("a x", "b x"));
  EXPECT_THAT(texts_of("{a}", rules), UnorderedElementsAre("a"));
  EXPECT_THAT(texts_of("{}", rules), UnorderedElementsAre("{}"));
  EXPECT_THAT(texts_of("{{a}} {b|c}", rules), UnorderedElementsAre("{a} b", "{a} c"));
  EXPECT_THAT(texts_of("{a|{b|c}}", rules), UnorderedElementsAre("{a|{b|c}"));
  EXPECT_THAT(texts_of("{a|} x {", rules), UnorderedElementsAre("a x {", " x {"));
  EXPECT_THAT(texts_of("} x {é|ü}", rules), UnorderedElementsAre("} x é", "} x ü"));
}

TEST(CaptionRules, ChooseALineWherePrefixAndSuffixGo) {
  const CaptionRules rules{.wildcards = true, .prefix = "p", .suffix = "s"};
  EXPECT_THAT(texts_of("one\n\n two \nthree", rules),
              UnorderedElementsAre("p one s", "p two s", "p three s"));
  EXPECT_THAT(texts_of("", {.wildcards = true}), UnorderedElementsAre(""));
  EXPECT_THAT(texts_of("one\r\ntwo", {.wildcards = true}), UnorderedElementsAre("one", "two"));
  EXPECT_EQ(text_of("b, a\nc", {.keep_tokens = 9, .shuffle = true}), "b, a\nc");
}

TEST(CaptionRules, KeepTagsInFrontAndShuffleTheOthers) {
  const std::set<std::string> texts = texts_of("a, b,c ,d", {.keep_tokens = 1, .shuffle = true});
  EXPECT_EQ(texts.size(), 6U);
  EXPECT_THAT(texts, Each(testing::StartsWith("a, ")));
  EXPECT_EQ(text_of("a,b", {.keep_tokens = 5, .shuffle = true}), "a, b");
}

TEST(CaptionRules, KeepWhatStandsBeforeAndBehindTheMarks) {
  const CaptionRules rules{.keep_tokens = 9, .keep_tokens_separator = "|||", .shuffle = true};
  EXPECT_THAT(texts_of("x, y ||| c, ,d ||| q, r", rules),
              UnorderedElementsAre("x, y, c, d, q, r", "x, y, d, c, q, r"));
  EXPECT_THAT(texts_of("x ||| c", rules), UnorderedElementsAre("x, c"));
  EXPECT_THAT(texts_of("x ||| c ||| q ||| r, s |||", rules), UnorderedElementsAre("x, c, q ||| r, s |||"));
  EXPECT_THAT(texts_of("||||||", rules), UnorderedElementsAre(""));
  EXPECT_THAT(texts_of("c, d", rules), UnorderedElementsAre("c, d")) << "no mark: the number counts";
}

TEST(CaptionRules, MoveAndDropWhatASecondarySeparatorHoldsTogether) {
  const CaptionRules rules{.separator = ",", .shuffle = true, .secondary_separator = ";;;"};
  EXPECT_THAT(texts_of("a;;;b, c", rules), UnorderedElementsAre("a,b, c", "c, a,b"));
  EXPECT_EQ(text_of("a;;;b, c ", {.secondary_separator = ";;;"}), "a,b, c ");
}

TEST(CaptionRules, JoinTagsByCommaAndSpaceWhateverSeparatesThem) {
  EXPECT_EQ(text_of("a; b", {.separator = ";", .tag_dropout = 1e-12}), "a, b");
  EXPECT_EQ(text_of("a,,b", {.tag_dropout = 1e-12}), "a, , b") << "an empty tag is one, without marks";
}

TEST(CaptionRules, DropCaptionsAndTagsAsOftenAsAsked) {
  int empty = 0;
  std::map<size_t, int> by_length;
  constexpr int kDraws = 4000;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    empty += text_of("a cat", {.dropout = 0.25}, seed).empty() ? 1 : 0;
    ++by_length[text_of("k,a,b", {.keep_tokens = 1, .tag_dropout = 0.25}, seed).size()];
  }
  EXPECT_NEAR(empty / static_cast<double>(kDraws), 0.25, 0.03);            // four deviations
  EXPECT_NEAR(by_length[7] / static_cast<double>(kDraws), 0.5625, 0.032);  // "k, a, b"
  EXPECT_NEAR(by_length[1] / static_cast<double>(kDraws), 0.0625, 0.016);  // "k"
  EXPECT_EQ(text_of("a cat", {.dropout = 1, .prefix = "p"}), "");
}

TEST(CaptionRules, DropAllCaptionsInEachSoManiethEpoch) {
  std::string seen;
  for (int64_t epoch = 1; epoch <= 6; ++epoch)
    seen += text_of("x", {.dropout_every_epochs = 3}, 0, {.epoch = epoch}) + ".";
  EXPECT_EQ(seen, "x.x..x.x..");
}

TEST(CaptionRules, UseMoreAndMoreTags) {
  std::string caption = "t0";
  for (int tag = 1; tag < 10; ++tag) caption += fmt::format(",t{}", tag);
  const auto count_at = [&](int64_t step, const CaptionRules& rules) {
    const std::string text = text_of(caption, rules, 0, {.steps_done = step, .max_steps = 200});
    return text.empty() ? 0 : std::count(text.begin(), text.end(), ',') + 1;
  };
  const CaptionRules in_steps{.token_warmup_steps = 100}, share{.token_warmup_steps = 0.5};
  for (const CaptionRules& rules : {in_steps, share}) {
    EXPECT_EQ(count_at(0, rules), 1);
    EXPECT_EQ(count_at(25, rules), 3);
    EXPECT_EQ(count_at(50, rules), 5);
    EXPECT_EQ(count_at(99, rules), 9);
    EXPECT_EQ(count_at(100, rules), 10);
  }
  EXPECT_EQ(count_at(5, {.token_warmup_steps = 100, .token_warmup_min = 30}), 10) << "more than there are";
  EXPECT_EQ(count_at(0, {.token_warmup_steps = 100, .token_warmup_min = 0}), 0);
}

// That the draws are in the stated order, tests/system/changing_captions_test.py shows.
TEST(CaptionRules, DrawOnlyWhatIsAskedFor) {
  at::Generator generator = generator_for(7);
  draw_caption("a, b, c", {.prefix = "p", .secondary_separator = ";"}, {}, generator);
  draw_caption("one line", {.wildcards = true}, {}, generator);
  at::Generator untouched = generator_for(7);
  EXPECT_EQ(generator.get_state().equal(untouched.get_state()), true);
}

}  // namespace
}  // namespace sdlora::data
