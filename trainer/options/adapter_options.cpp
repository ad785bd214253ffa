#include "trainer/options/adapter_options.h"

namespace sdlora::trainer {
namespace {

// Three times the widest layer of SD 1.5, of whose rank nothing can be above its width.
constexpr int64_t kLargestRank = 4096;

}  // namespace

void declare_adapter(OptionGroup group, lora::LoraConfig& lora, std::filesystem::path& init_adapter) {
  group.add("lora-rank", lora.rank, Scope::kResult, "rank of each adapter").between(1, kLargestRank);
  group.add("lora-alpha", lora.alpha, Scope::kResult, "scale = alpha / rank").above(0);
  group.add("lora-targets", lora.targets, Scope::kResult,
            "attn (128 modules), attn-mlp (192), or a regular expression on module paths");
  group
      .add("init-adapter", init_adapter, Scope::kRank,
           "adapter file to begin from, in any naming that generate reads, whatever its rank, alpha and "
           "targets")
      .existing_file();
}

}  // namespace sdlora::trainer
