#include "trainer/run/data_doubts.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

namespace sdlora::trainer {

std::vector<std::string> doubts_about_data(const TrainConfig& config, const LoadedRun& loaded) {
  std::vector<std::string> doubts;
  if (const std::string sizes = loaded.batches.sizes_never_trained(config.schedule.max_steps); !sizes.empty())
    doubts.push_back(
        fmt::format("pictures of these sizes are never trained, since they do not fill a micro-batch of {} "
                    "within --max-steps {}: {}; give a smaller --micro-batch-size",
                    loaded.share.micro_batch_size, config.schedule.max_steps, sizes));
  const std::vector<lora::AdapterModule>& modules = loaded.adapter.modules();
  const bool has_kernels =
      std::any_of(modules.begin(), modules.end(), [](const auto& module) { return module.kernel_size > 1; });
  if (!has_kernels && (config.lora.conv_rank > 0 || config.lora.conv_alpha > 0))
    doubts.emplace_back(
        "--lora-conv-rank and --lora-conv-alpha do nothing: no convolution over several pixels is trained "
        "(--lora-targets full)");
  if (loaded.text_reader && loaded.dataset.reading().clip_skip > 1)
    doubts.push_back(
        fmt::format("--clip-skip {} of the cache: adapters of the text encoder's last layers get no "
                    "gradients, since their "
                    "output is left out",
                    loaded.dataset.reading().clip_skip));
  if (loaded.dataset.has_masks() && !config.loss.is_masked)
    doubts.emplace_back("the cache has masks, which do not count without --masked-loss");
  if (config.loss.prior_weight != 1 && loaded.dataset.reg_count() == 0)
    doubts.emplace_back(
        "--prior-loss-weight does nothing: the cache has no regularisation pictures (cache_latents "
        "--reg-images)");
  if (loaded.validation_dataset && config.loss.is_masked && !loaded.validation_dataset->has_masks())
    doubts.emplace_back("--validation-data has no masks: all of its pictures counts, unlike in training");
  const std::vector<data::CaptionRules> rules = loaded.dataset.caption_rules(config.captions.rules);
  const bool is_any_changed =
      std::any_of(rules.begin(), rules.end(), std::mem_fn(&data::CaptionRules::make_new_texts));
  if (!config.validation.every.is_never() && is_any_changed)
    doubts.emplace_back(
        "validation uses the captions as they are cached: without prefix and suffix, with all tags, marks "
        "and "
        "braces, and the first of several");
  const bool is_any_taken_apart =
      std::any_of(rules.begin(), rules.end(), std::mem_fn(&data::CaptionRules::take_tags_apart));
  const data::CaptionRules& of_run = config.captions.rules;
  if (!is_any_taken_apart && (of_run.keep_tokens > 0 || !of_run.keep_tokens_separator.empty()))
    doubts.emplace_back(
        "--caption-keep-tokens and --caption-keep-tokens-separator do nothing without --caption-shuffle, "
        "--caption-tag-dropout or --token-warmup-steps");
  return doubts;
}

}  // namespace sdlora::trainer
