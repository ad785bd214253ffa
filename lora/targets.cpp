#include "lora/targets.h"

namespace sdlora::lora {
namespace {

std::string pattern_of(const std::string& targets) {
  if (targets == "attn") return R"(\.attn[12]\.to_(q|k|v|out\.0)$)";
  if (targets == "attn-mlp")
    return R"(\.attn[12]\.to_(q|k|v|out\.0)$|\.ff\.net\.(0\.proj|2)$|\.attentions\.\d+\.proj_(in|out)$)";
  if (targets == "full")
    return R"(\.attn[12]\.to_(q|k|v|out\.0)$|\.ff\.net\.(0\.proj|2)$|\.attentions\.\d+\.proj_(in|out)$)"
           R"(|\.resnets\.\d+\.(conv1|conv2|time_emb_proj|conv_shortcut)$|\.(down|up)samplers\.0\.conv$)";
  return targets;
}

}  // namespace

Targets::Targets(const std::string& targets)
    : pattern_(pattern_of(targets), "--lora-targets", ExitCode::kUsage) {}

}  // namespace sdlora::lora
