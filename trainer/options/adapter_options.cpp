#include "trainer/options/adapter_options.h"

namespace sdlora::trainer {

void declare_adapter(OptionGroup group, lora::LoraConfig& lora) {
  group.add("lora-rank", lora.rank, Scope::kResult, "rank of each adapter").positive();
  group.add("lora-alpha", lora.alpha, Scope::kResult, "scale = alpha / rank");
  group.add("lora-targets", lora.targets, Scope::kResult,
            "attn (128 modules), attn-mlp (192), or a regular expression on module paths");
}

}  // namespace sdlora::trainer
