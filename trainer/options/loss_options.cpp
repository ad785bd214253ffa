#include "trainer/options/loss_options.h"

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {

void LossOptions::declare(OptionGroup group) {
  group
      .add("prior-loss-weight", prior_weight, Scope::kResult,
           "how much a regularisation picture counts (cache_latents --reg-images); 1: as much as another")
      .between(0, 1000);
  group.add("masked-loss", is_masked, Scope::kResult,
            "a picture counts where its mask is white (cache_latents --mask)");
  group
      .add("unmasked-weight", unmasked_weight, Scope::kResult,
           "with --masked-loss: how much the rest counts, where the mask is darker than that")
      .between(0, 1);
}

void LossOptions::check() const {
  if (is_masked || unmasked_weight == 0) return;
  throw Error(ExitCode::kUsage, {.what = "a weight outside masks is given, but masks do not count",
                                 .expected = "--unmasked-weight with --masked-loss",
                                 .seen = fmt::format("--unmasked-weight {:g}", unmasked_weight),
                                 .advice = "give --masked-loss, too, or leave it out"});
}

}  // namespace sdlora::trainer
