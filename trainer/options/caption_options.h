// How the text of each sample is made from its picture's caption.
#pragma once

#include "common/options.h"
#include "data/captions/caption_rules.h"

namespace sdlora::trainer {

struct CaptionOptions {
  data::CaptionRules rules;
  int64_t shown_count = 0;  // texts that a dry run shows

  void declare(OptionGroup group);

  // Throws Error(kUsage): settings that contradict each other.
  void check() const;
};

}  // namespace sdlora::trainer
