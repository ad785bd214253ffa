#include "trainer/run/data_doubts.h"

#include <fmt/format.h>

namespace sdlora::trainer {

std::vector<std::string> doubts_about_data(const TrainConfig& config, const LoadedRun& loaded) {
  std::vector<std::string> doubts;
  if (const std::string sizes = loaded.batches.sizes_never_trained(config.schedule.max_steps); !sizes.empty())
    doubts.push_back(
        fmt::format("pictures of these sizes are never trained, since they do not fill a micro-batch of {} "
                    "within --max-steps {}: {}; give a smaller --micro-batch-size",
                    loaded.share.micro_batch_size, config.schedule.max_steps, sizes));
  if (loaded.dataset.has_masks() && !config.loss.is_masked)
    doubts.emplace_back("the cache has masks, which do not count without --masked-loss");
  if (config.loss.prior_weight != 1 && loaded.dataset.reg_count() == 0)
    doubts.emplace_back(
        "--prior-loss-weight does nothing: the cache has no regularisation pictures (cache_latents "
        "--reg-images)");
  if (loaded.validation_dataset && config.loss.is_masked && !loaded.validation_dataset->has_masks())
    doubts.emplace_back("--validation-data has no masks: all of its pictures counts, unlike in training");
  return doubts;
}

}  // namespace sdlora::trainer
