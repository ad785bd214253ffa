#include "lora/targets.h"

#include "common/error.h"

namespace sdlora::lora {
namespace {

std::string pattern_of(const std::string& targets) {
  if (targets == "attn") return R"(\.attn[12]\.to_(q|k|v|out\.0)$)";
  if (targets == "attn-mlp")
    return R"(\.attn[12]\.to_(q|k|v|out\.0)$|\.ff\.net\.(0\.proj|2)$|\.attentions\.\d+\.proj_(in|out)$)";
  return targets;
}

std::regex compile(const std::string& targets) {
  try {
    return std::regex(pattern_of(targets));
  } catch (const std::regex_error& failure) {
    throw Error(ExitCode::kUsage, {.what = "--lora-targets is not a regular expression",
                                   .expected = "attn, attn-mlp, or a regular expression on module paths",
                                   .seen = targets + " (" + failure.what() + ")"});
  }
}

}  // namespace

Targets::Targets(const std::string& targets) : pattern_(compile(targets)) {}

}  // namespace sdlora::lora
