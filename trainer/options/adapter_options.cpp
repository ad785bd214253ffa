#include "trainer/options/adapter_options.h"

#include "lora/module_ranks.h"

namespace sdlora::trainer {
namespace {

constexpr double kMostDropout = 0.999;  // what is kept is multiplied by a thousand

}  // namespace

void declare_adapter(OptionGroup group, lora::LoraConfig& lora, double& max_weight_norm,
                     std::filesystem::path& init_adapter) {
  group
      .add("lora-kind", lora.kind, Scope::kResult,
           "lora, or dora: each output's weights have a length of their own, which is trained, too")
      .one_of(lora::lora_kind_words());
  group.add("lora-rank", lora.rank, Scope::kResult, "rank of each adapter").between(1, lora::kLargestRank);
  group.add("lora-alpha", lora.alpha, Scope::kResult, "scale = alpha / rank").above(0);
  group.add(
      "lora-targets", lora.targets, Scope::kResult,
      "attn (128 modules), attn-mlp (192), full (278, with the convolutions), or a regular expression on "
      "module paths");
  group
      .add("lora-conv-rank", lora.conv_rank, Scope::kResult,
           "rank of convolutions over several pixels, which full has; 0: --lora-rank")
      .between(0, lora::kLargestRank);
  group.add("lora-conv-alpha", lora.conv_alpha, Scope::kResult, "alpha of the same; 0: --lora-alpha")
      .at_least(0);
  group.add("lora-rank-pattern", lora.rank_patterns, Scope::kResult,
            "REGEX=RANK or REGEX=RANK:ALPHA: rank and alpha of modules whose path it is found in, 0 for no "
            "adapter there; may be given several times, the first that fits counts");
  group.add("train-text-encoder", lora.trains_text_encoder, Scope::kResult,
            "train adapters in the text encoder, too (72 modules, or those that the regular expression of "
            "--lora-targets matches); captions are then encoded at each step");
  group.add("rs-lora", lora.is_rank_stabilised, Scope::kResult, "scale = alpha / sqrt(rank)");
  group
      .add("lora-dropout", lora.dropout.neuron, Scope::kResult,
           "share of the numbers between A and B that are left out of a step")
      .between(0, kMostDropout);
  group
      .add("lora-rank-dropout", lora.dropout.rank, Scope::kResult,
           "share of the ranks that are left out of a step, drawn for each sample and module")
      .between(0, kMostDropout);
  group
      .add("lora-module-dropout", lora.dropout.module, Scope::kResult,
           "share of the modules whose adapter is left out of a step, drawn for each sample")
      .between(0, kMostDropout);
  group
      .add("max-weight-norm", max_weight_norm, Scope::kResult,
           "after each step, A and B of a module that adds more than this to its weight (Frobenius norm) are "
           "scaled down to it (1 is usual); 0: no")
      .between(0, 1e6);
  group
      .add("init-adapter", init_adapter, Scope::kRank,
           "adapter file to begin from, in any naming that generate reads, whatever its rank, alpha and "
           "targets")
      .existing_file();
}

}  // namespace sdlora::trainer
