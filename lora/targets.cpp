#include "lora/targets.h"

namespace sdlora::lora {
namespace {

std::string pattern_of(const std::string& targets) {
  const std::string text_encoder = R"(^text_model\..*\.(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])$)";
  const std::string attn = text_encoder + R"(|\.attn[12]\.to_(q|k|v|out\.0)$)";
  if (targets == "attn") return attn;
  const std::string attn_mlp = attn + R"(|\.ff\.net\.(0\.proj|2)$|\.attentions\.\d+\.proj_(in|out)$)";
  if (targets == "attn-mlp") return attn_mlp;
  if (targets == "full")
    return attn_mlp +
           R"(|\.resnets\.\d+\.(conv1|conv2|time_emb_proj|conv_shortcut)$|\.(down|up)samplers\.0\.conv$)";
  return targets;
}

}  // namespace

Targets::Targets(const std::string& targets)
    : pattern_(pattern_of(targets), "--lora-targets", ExitCode::kUsage) {}

}  // namespace sdlora::lora
