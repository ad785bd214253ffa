#include "trainer/options/validation_options.h"

#include "common/error.h"

namespace sdlora::trainer {

void ValidationOptions::declare(OptionGroup group) {
  group
      .add("validation-every", every, Scope::kRun,
           "steps or epochs between validations, with one before the first and one at the end; 0: none")
      .worded(kIntervalWords);
  group
      .add("validation-split", split, Scope::kResult,
           "fraction of the data's pictures to hold out of the training and validate on")
      .between(0, 0.9);
  group.add("validation-data", data, Scope::kRank,
            "directory written by cache_latents to validate on, in place of a held-out fraction");
}

void ValidationOptions::check() const {
  const bool has_split = split > 0, has_data = !data.empty();
  if (has_split && has_data)
    throw Error(ExitCode::kUsage, {.what = "there are two sets to validate on",
                                   .expected = "--validation-split or --validation-data",
                                   .seen = "both",
                                   .advice = "leave one out"});
  if (!every.is_never() && !has_split && !has_data)
    throw Error(ExitCode::kUsage,
                {.what = "there is nothing to validate on",
                 .expected = "--validation-split or --validation-data with --validation-every",
                 .seen = "neither",
                 .advice = "hold some pictures out of the training: --validation-split 0.05"});
}

}  // namespace sdlora::trainer
