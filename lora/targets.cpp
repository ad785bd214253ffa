#include "lora/targets.h"

namespace sdlora::lora {
namespace {

std::string pattern_of(const std::string& targets) {
  if (targets != "attn" && targets != "attn-mlp" && targets != "full") return targets;
  std::string pattern = R"(^text_model\..*\.(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])$)"
                        R"(|\.attn[12]\.to_(q|k|v|out\.0)$)";
  if (targets != "attn") pattern += R"(|\.ff\.net\.(0\.proj|2)$|\.attentions\.\d+\.proj_(in|out)$)";
  if (targets == "full")
    pattern += R"(|\.resnets\.\d+\.(conv1|conv2|time_emb_proj|conv_shortcut)$|\.(down|up)samplers\.0\.conv$)";
  return pattern;
}

}  // namespace

Targets::Targets(const std::string& targets)
    : pattern_(pattern_of(targets), "--lora-targets", ExitCode::kUsage) {}

std::function<bool(const std::string& path)> weights_to_keep(const LoraConfig& config) {
  if (config.kind == LoraKind::kLora) return {};
  return [targets = Targets(config.targets)](const std::string& path) { return targets.contains(path); };
}

}  // namespace sdlora::lora
