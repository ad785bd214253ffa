// How a sample's text is made from its picture's caption, each time anew. kohya's rules (sd-scripts,
// BaseDataset.process_caption): the whole may be dropped; one line of several is chosen; prefix and suffix
// are added; of each {a|b} a part is chosen; of the tags some stay in place, the others come later in the
// run, are shuffled or dropped; secondary separators become separators.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Generator.h>

namespace sdlora::data {

// The most that options and files may ask for: of tags more than any caption has, and so many epochs.
inline constexpr int64_t kMostCaptionTags = 1'000'000;
inline constexpr double kMostWarmupSteps = 1e12;

struct CaptionRules {
  // Share of the samples whose text is empty, and in which epochs all are: each so-manieth; 0: in none.
  double dropout = 0;
  int64_t dropout_every_epochs = 0;

  // One line of several, one part of each {a|b|c}.
  bool wildcards = false;

  // In front of the line and behind it, with a space between; empty: none.
  std::string prefix = {};
  std::string suffix = {};

  // Tags: what stands between them; how many at the beginning stay where they are; or the mark before whose
  // first and behind whose second place all stay.
  std::string separator = ",";
  int64_t keep_tokens = 0;
  std::string keep_tokens_separator = {};

  // Over so many steps (below 1: over this share of the run) more and more tags are used, `min` at first.
  double token_warmup_steps = 0;
  int64_t token_warmup_min = 1;

  bool shuffle = false;
  double tag_dropout = 0;  // share of the tags that are left out, of those that do not stay

  // Stands in captions between tags that move and are dropped as one; empty: none.
  std::string secondary_separator = {};

  // Whether every text is the caption itself.
  bool leave_captions_alone() const;

  // Whether there are texts besides captions and the empty one.
  bool make_new_texts() const;

  bool take_tags_apart() const;

  bool operator==(const CaptionRules&) const = default;
};

// When in a run.
struct CaptionMoment {
  int64_t epoch = 1;       // from 1
  int64_t steps_done = 0;  // before this step
  int64_t max_steps = 1;   // of the run
};

// The text of one sample. Draws from `generator` in this order, and only what is asked for, so that Python
// can repeat it: with `dropout` u = rand(1) in float64, empty below `dropout`; with `wildcards`
// randint(lines) where there are several, then for each {…} from the left randint(parts); with `shuffle`
// randperm(tags); with `tag_dropout` rand(tags) in float64, after the shuffling.
//
// Unlike there, prefix and suffix go to the line that was chosen; without `wildcards` the caption is one text
// with all its lines; and what is stripped of tags is ASCII's white space.
std::string draw_caption(const std::string& caption, const CaptionRules& rules, const CaptionMoment& moment,
                         at::Generator& generator);

}  // namespace sdlora::data
