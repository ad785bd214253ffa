#include "trainer/options/preview_options.h"

#include "common/error.h"

namespace sdlora::trainer {

void PreviewOptions::declare(OptionGroup group) {
  group
      .add("preview-every", every, Scope::kRun,
           "steps or epochs between previews, with one before the first and one at the end; 0: none")
      .worded(kIntervalWords);
  group.add("preview-prompts", prompts, Scope::kRank,
            "file of prompts to preview, one per line; # begins a comment");
  group.add("preview-steps", step_count, Scope::kRun, "sampling steps per preview (DPM-Solver++)")
      .between(1, 1000);
  group.add("preview-guidance-scale", guidance_scale, Scope::kRun, "of the previews");
  group.add("preview-seed", seed, Scope::kRun, "of every preview's noise");
  group.add("preview-average", of_average, Scope::kRun,
            "preview the moving average of --ema-decay, too: pictures behind those of what is trained");
  group.add("preview-size", size, Scope::kRun, "pixels along a side; 0: what the data has").at_least(0);
}

void PreviewOptions::check() const {
  if (!every.is_never() && prompts.empty())
    throw Error(ExitCode::kUsage, {.what = "there is nothing to preview",
                                   .expected = "--preview-prompts FILE with --preview-every",
                                   .seen = "none",
                                   .advice = "write a few prompts into a file, one per line"});
}

}  // namespace sdlora::trainer
