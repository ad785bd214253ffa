// Rules for captions that a subset of the pictures has for itself; what it does not say is the run's.
#pragma once

#include <optional>
#include <string>

#include "data/captions/caption_rules.h"

namespace sdlora::data {

struct CaptionOverrides {
  std::optional<double> dropout;
  std::optional<int64_t> dropout_every_epochs;
  std::optional<bool> wildcards;
  std::optional<std::string> prefix;
  std::optional<std::string> suffix;
  std::optional<std::string> separator;
  std::optional<int64_t> keep_tokens;
  std::optional<std::string> keep_tokens_separator;
  std::optional<double> token_warmup_steps;
  std::optional<int64_t> token_warmup_min;
  std::optional<bool> shuffle;
  std::optional<double> tag_dropout;
  std::optional<std::string> secondary_separator;

  bool operator==(const CaptionOverrides&) const = default;

  // Calls visit(name, override, rule) with each name, as files have it, and pointers to both members.
  template <typename Visit>
  static void for_each(const Visit& visit) {
    visit("dropout", &CaptionOverrides::dropout, &CaptionRules::dropout);
    visit("dropout_every_epochs", &CaptionOverrides::dropout_every_epochs,
          &CaptionRules::dropout_every_epochs);
    visit("wildcards", &CaptionOverrides::wildcards, &CaptionRules::wildcards);
    visit("prefix", &CaptionOverrides::prefix, &CaptionRules::prefix);
    visit("suffix", &CaptionOverrides::suffix, &CaptionRules::suffix);
    visit("separator", &CaptionOverrides::separator, &CaptionRules::separator);
    visit("keep_tokens", &CaptionOverrides::keep_tokens, &CaptionRules::keep_tokens);
    visit("keep_tokens_separator", &CaptionOverrides::keep_tokens_separator,
          &CaptionRules::keep_tokens_separator);
    visit("token_warmup_steps", &CaptionOverrides::token_warmup_steps, &CaptionRules::token_warmup_steps);
    visit("token_warmup_min", &CaptionOverrides::token_warmup_min, &CaptionRules::token_warmup_min);
    visit("shuffle", &CaptionOverrides::shuffle, &CaptionRules::shuffle);
    visit("tag_dropout", &CaptionOverrides::tag_dropout, &CaptionRules::tag_dropout);
    visit("secondary_separator", &CaptionOverrides::secondary_separator, &CaptionRules::secondary_separator);
  }

  // Whether numbers are within what options allow.
  bool are_possible() const {
    const auto is_count = [](const std::optional<int64_t>& value) {
      return !value || (*value >= 0 && *value <= kMostCaptionTags);
    };
    const auto is_within = [](const std::optional<double>& value, double most) {
      return !value || (*value >= 0 && *value <= most);
    };
    return is_count(dropout_every_epochs) && is_count(keep_tokens) && is_count(token_warmup_min) &&
           is_within(dropout, 1) && is_within(tag_dropout, 1) &&
           is_within(token_warmup_steps, kMostWarmupSteps) && !(separator && separator->empty());
  }

  // The run's rules with these in their place.
  CaptionRules over(CaptionRules rules) const {
    for_each([&](const char* /*name*/, auto own, auto rule) {
      if (const auto& value = this->*own) rules.*rule = *value;
    });
    return rules;
  }
};

}  // namespace sdlora::data
