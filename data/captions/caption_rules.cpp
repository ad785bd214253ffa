#include "data/captions/caption_rules.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/trimmed.h"

namespace sdlora::data {
namespace {

using Strings = std::vector<std::string>;

// "a,,b" has an empty part; an empty separator separates nothing.
Strings parts_of(const std::string& text, const std::string& separator) {
  Strings parts;
  size_t begin = 0;
  for (size_t end; !separator.empty() && (end = text.find(separator, begin)) != std::string::npos;
       begin = end + separator.size())
    parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

std::string replaced(const std::string& text, const std::string& from, const std::string& to) {
  return fmt::format("{}", fmt::join(parts_of(text, from), to));
}

int64_t draw_below(int64_t limit, at::Generator& generator) {
  return at::randint(limit, {1}, generator, at::kLong).item<int64_t>();
}

at::Tensor draw_uniform(int64_t count, at::Generator& generator) {
  return at::rand({count}, generator, at::kDouble);
}

Strings lines_of(const std::string& caption) {
  Strings lines;
  for (const std::string& part : parts_of(caption, "\n"))
    if (std::string line = trimmed(part); !line.empty()) lines.push_back(std::move(line));
  return lines;
}

// {a|b} becomes a or b; {{ and }} become single braces. Braces within braces are not taken apart, and {}
// stays.
std::string choose_wildcards(const std::string& text, at::Generator& generator) {
  const std::string opening = "\xFE", closing = "\xFF";  // bytes that UTF-8 does not have
  std::string rest = replaced(replaced(text, "{{", opening), "}}", closing), chosen;
  for (size_t begin = 0; begin < rest.size();) {
    const size_t open = rest.find('{', begin);
    const size_t close = open == std::string::npos ? open : rest.find('}', open);
    if (close == std::string::npos) {
      chosen += rest.substr(begin);
      break;
    }
    if (close == open + 1) {
      chosen += rest.substr(begin, close + 1 - begin);
    } else {
      const Strings parts = parts_of(rest.substr(open + 1, close - open - 1), "|");
      chosen += rest.substr(begin, open - begin);
      chosen += parts[static_cast<size_t>(draw_below(static_cast<int64_t>(parts.size()), generator))];
    }
    begin = close + 1;
  }
  return replaced(replaced(chosen, opening, "{"), closing, "}");
}

// A caption's tags: those that stay in front, those that may move or go, those that stay behind.
struct Tags {
  Strings kept;
  Strings free;
  Strings kept_behind;
};

Strings stripped_tags(const std::string& text, const std::string& separator, bool without_empty) {
  Strings tags;
  for (const std::string& part : parts_of(text, separator))
    if (std::string tag = trimmed(part); !tag.empty() || !without_empty) tags.push_back(std::move(tag));
  return tags;
}

Tags tags_of(const std::string& caption, const CaptionRules& rules) {
  const std::string& fence = rules.keep_tokens_separator;
  if (!fence.empty() && caption.find(fence) != std::string::npos) {
    const size_t first = caption.find(fence), rest = first + fence.size();
    const size_t second = std::min(caption.find(fence, rest), caption.size());
    const auto tags_in = [&](size_t begin, size_t end) {
      return stripped_tags(caption.substr(begin, end - begin), rules.separator, /*without_empty=*/true);
    };
    return {.kept = tags_in(0, first),
            .free = tags_in(rest, second),
            .kept_behind = tags_in(std::min(second + fence.size(), caption.size()), caption.size())};
  }
  Tags tags{.free = stripped_tags(trimmed(caption), rules.separator, /*without_empty=*/false)};
  const auto kept_count = std::min<ptrdiff_t>(rules.keep_tokens, static_cast<ptrdiff_t>(tags.free.size()));
  tags.kept.assign(tags.free.begin(), tags.free.begin() + kept_count);
  tags.free.erase(tags.free.begin(), tags.free.begin() + kept_count);
  return tags;
}

void warm_up(Strings& tags, const CaptionRules& rules, const CaptionMoment& moment) {
  const double wanted = rules.token_warmup_steps;
  const auto steps = static_cast<int64_t>(
      wanted < 1 ? std::floor(wanted * static_cast<double>(moment.max_steps)) : std::floor(wanted));
  if (moment.steps_done >= steps) return;
  const auto count = static_cast<int64_t>(tags.size());
  const int64_t grown = moment.steps_done * (count - rules.token_warmup_min);
  // Rounded towards minus infinity, should there be fewer tags than the least number.
  const auto kept =
      static_cast<int64_t>(std::floor(static_cast<double>(grown) / static_cast<double>(steps))) +
      rules.token_warmup_min;
  tags.resize(static_cast<size_t>(std::clamp<int64_t>(kept, 0, count)));
}

void shuffle(Strings& tags, at::Generator& generator) {
  const at::Tensor order = at::randperm(static_cast<int64_t>(tags.size()), generator, at::kLong);
  Strings shuffled;
  for (int64_t place = 0; place < order.size(0); ++place)
    shuffled.push_back(tags[static_cast<size_t>(order[place].item<int64_t>())]);
  tags = std::move(shuffled);
}

void drop_tags(Strings& tags, double share, at::Generator& generator) {
  const at::Tensor chance = draw_uniform(static_cast<int64_t>(tags.size()), generator);
  Strings left;
  for (size_t tag = 0; tag < tags.size(); ++tag)
    if (chance[static_cast<int64_t>(tag)].item<double>() >= share) left.push_back(tags[tag]);
  tags = std::move(left);
}

}  // namespace

bool CaptionRules::take_tags_apart() const {
  return shuffle || tag_dropout > 0 || token_warmup_steps > 0;
}

bool CaptionRules::make_new_texts() const {
  return !prefix.empty() || !suffix.empty() || wildcards || !secondary_separator.empty() || take_tags_apart();
}

bool CaptionRules::leave_captions_alone() const {
  return !make_new_texts() && dropout == 0 && dropout_every_epochs == 0;
}

std::string draw_caption(const std::string& caption, const CaptionRules& rules, const CaptionMoment& moment,
                         at::Generator& generator) {
  if (rules.dropout > 0 && draw_uniform(1, generator).item<double>() < rules.dropout) return "";
  if (rules.dropout_every_epochs > 0 && moment.epoch % rules.dropout_every_epochs == 0) return "";

  std::string text = caption;
  if (rules.wildcards) {
    const Strings lines = lines_of(caption);
    const auto line_count = static_cast<int64_t>(lines.size());
    if (line_count > 0)
      text = lines[line_count == 1 ? 0 : static_cast<size_t>(draw_below(line_count, generator))];
  }
  if (!rules.prefix.empty()) text = rules.prefix + " " + text;
  if (!rules.suffix.empty()) text += " " + rules.suffix;
  if (rules.wildcards) text = choose_wildcards(text, generator);

  if (rules.take_tags_apart()) {
    Tags tags = tags_of(text, rules);
    if (rules.token_warmup_steps > 0) warm_up(tags.free, rules, moment);
    if (rules.shuffle) shuffle(tags.free, generator);
    if (rules.tag_dropout > 0) drop_tags(tags.free, rules.tag_dropout, generator);
    Strings all = std::move(tags.kept);
    all.insert(all.end(), tags.free.begin(), tags.free.end());
    all.insert(all.end(), tags.kept_behind.begin(), tags.kept_behind.end());
    text = fmt::format("{}", fmt::join(all, ", "));
  }
  if (!rules.secondary_separator.empty()) text = replaced(text, rules.secondary_separator, rules.separator);
  return text;
}

}  // namespace sdlora::data
