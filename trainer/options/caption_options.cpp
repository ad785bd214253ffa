#include "trainer/options/caption_options.h"

#include <fmt/format.h>

#include "common/error.h"
#include "common/utf8.h"

namespace sdlora::trainer {

constexpr int64_t kMostShown = 1'000'000;

void CaptionOptions::declare(OptionGroup group) {
  group.add("caption-prefix", rules.prefix, Scope::kResult,
            "in front of every caption, with a space between");
  group.add("caption-suffix", rules.suffix, Scope::kResult, "behind every caption, with a space between");
  group
      .add("caption-dropout", rules.dropout, Scope::kResult,
           "share of the samples that are trained with an empty text")
      .between(0, 1);
  group
      .add("caption-dropout-every-epochs", rules.dropout_every_epochs, Scope::kResult,
           "every so-manieth epoch has empty texts only; 0: none")
      .at_least(0);
  group.add("caption-wildcards", rules.wildcards, Scope::kResult,
            "take one line of a caption of several, and one part of each {a|b|c}, anew for each sample");
  group.add("caption-separator", rules.separator, Scope::kResult, "what stands between tags");
  group.add("caption-shuffle", rules.shuffle, Scope::kResult, "tags in another order for each sample");
  group
      .add("caption-keep-tokens", rules.keep_tokens, Scope::kResult,
           "so many tags at the beginning are neither shuffled nor dropped")
      .between(0, data::kMostCaptionTags);
  group.add("caption-keep-tokens-separator", rules.keep_tokens_separator, Scope::kResult,
            "tags before the first such mark, and after the second, are neither shuffled nor dropped");
  group.add("caption-secondary-separator", rules.secondary_separator, Scope::kResult,
            "what stands between tags that move and are dropped as one");
  group
      .add("caption-tag-dropout", rules.tag_dropout, Scope::kResult,
           "share of the tags that are left out, anew for each sample")
      .between(0, 1);
  group
      .add("token-warmup-steps", rules.token_warmup_steps, Scope::kResult,
           "steps (below 1: this share of --max-steps) over which more and more tags are used; 0: all from "
           "the start")
      .between(0, data::kMostWarmupSteps);
  group
      .add("token-warmup-min", rules.token_warmup_min, Scope::kResult,
           "tags at the beginning of --token-warmup-steps")
      .between(0, data::kMostCaptionTags);
  group
      .add("show-captions", shown_count, Scope::kRun,
           "with --dry-run: print the texts of so many samples, in the order of the training")
      .between(0, kMostShown);
}

void CaptionOptions::check() const {
  for (const std::string* text : {&rules.prefix, &rules.suffix, &rules.separator,
                                  &rules.keep_tokens_separator, &rules.secondary_separator})
    if (valid_utf8(*text) != *text)
      throw Error(ExitCode::kUsage, {.what = "a text of the options --caption-... is not UTF-8",
                                     .seen = fmt::format("\"{}\"", valid_utf8(*text)),
                                     .advice = "give it in a UTF-8 terminal or file"});
  if (!rules.separator.empty()) return;
  throw Error(ExitCode::kUsage, {.what = "--caption-separator is empty",
                                 .expected = "what stands between the tags of a caption",
                                 .seen = "\"\"",
                                 .advice = "leave it out for a comma"});
}

}  // namespace sdlora::trainer
