#include "lora/default_alpha.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/option_values.h"

namespace sdlora::lora {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

[[noreturn]] void refuse_description(const std::string& where, const std::string& expected,
                                     const std::string& seen) {
  throw Error(
      ExitCode::kBadData,
      {.what = "cannot read an adapter's description", .expected = expected, .seen = seen, .where = where});
}

}  // namespace

fs::path description_of(const fs::path& adapter_file) {
  return fs::path(adapter_file).replace_extension(".json");
}

DefaultAlpha::SdloraAlphas DefaultAlpha::read_description(const fs::path& file) {
  try {
    const json description = parse_json(read_text(file));
    return {.alpha = description.at("alpha").get<double>(),
            .others = description.value("other_alphas", std::map<std::string, double>())};
  } catch (const json::exception& failure) {
    refuse_description(file.string(), "JSON with a number alpha", failure.what());
  }
}

// Of a checkpoint, whose settings stand beside its adapter.
DefaultAlpha::SdloraAlphas DefaultAlpha::read_run_state(const fs::path& file) {
  try {
    const json state = parse_json(read_text(file));
    const auto text = state.at("settings").at("lora-alpha").get<std::string>();
    SdloraAlphas alphas{.alpha = 0, .others = state.value("other_alphas", std::map<std::string, double>())};
    if (read_value(text, alphas.alpha)) return alphas;
    refuse_description(file.string(), "a number lora-alpha", text);
  } catch (const json::exception& failure) {
    refuse_description(file.string(), "JSON with settings and in them lora-alpha", failure.what());
  }
}

double DefaultAlpha::of(const Module& module, int64_t rank) {
  const auto scale_one = static_cast<double>(rank);
  switch (module.naming) {
    case Naming::kSdlora:
      if (const auto& alphas = sdlora_alphas()) {
        const auto other = alphas->others.find(module.path);
        return other == alphas->others.end() ? alphas->alpha : other->second;
      }
      warn_once(
          fmt::format("{} is not there: taking alpha = 1 for rank {}", description_of(file_).string(), rank));
      return 1;
    case Naming::kKohya:
      return kohya_alpha().value_or(scale_one);
    case Naming::kNumbered:
      return scale_one;
    case Naming::kDiffusers:
    case Naming::kPeft:
      break;
  }
  if (const auto& config = peft_config(module)) return config->alpha_of(module.path, rank);
  if (module.naming == Naming::kPeft)
    warn_once(fmt::format("adapter_config.json is not beside {}: taking alpha = rank", file_.string()));
  return scale_one;
}

const std::optional<DefaultAlpha::SdloraAlphas>& DefaultAlpha::sdlora_alphas() {
  if (!sdlora_alphas_) {
    sdlora_alphas_.emplace();
    if (fs::exists(description_of(file_)))
      *sdlora_alphas_ = read_description(description_of(file_));
    else if (const fs::path state = file_.parent_path() / "state.json"; fs::exists(state))
      *sdlora_alphas_ = read_run_state(state);
  }
  return *sdlora_alphas_;
}

// ss_network_alpha is a number as text, or "Dynamic" where it differs between modules.
std::optional<double> DefaultAlpha::kohya_alpha() const {
  const auto found = metadata_.find("ss_network_alpha");
  if (found == metadata_.end()) return std::nullopt;
  char* end = nullptr;
  const double alpha = std::strtod(found->second.c_str(), &end);
  const bool is_number = end != found->second.c_str() && *end == '\0' && std::isfinite(alpha);
  return is_number ? std::optional(alpha) : std::nullopt;
}

const std::optional<DefaultAlpha::PeftConfig>& DefaultAlpha::peft_config(const Module& module) {
  const std::pair key{module.naming, module.network};
  const auto found = peft_configs_.find(key);
  return found != peft_configs_.end() ? found->second
                                      : peft_configs_.emplace(key, read_peft_config(module)).first->second;
}

std::optional<DefaultAlpha::PeftConfig> DefaultAlpha::read_peft_config(const Module& module) const {
  std::string text, prefix, where;
  const fs::path beside = file_.parent_path() / "adapter_config.json";
  if (module.naming == Naming::kPeft && fs::exists(beside)) {
    text = read_text(beside);
    where = beside.string();
  } else if (const auto found = metadata_.find("lora_adapter_metadata"); found != metadata_.end()) {
    text = found->second;
    prefix = module.network == Network::kUnet ? "unet." : "text_encoder.";
    where = "metadata lora_adapter_metadata of " + file_.string();
  } else {
    return std::nullopt;
  }
  try {
    const json values = parse_json(text);
    if (!values.contains(prefix + "lora_alpha")) return std::nullopt;
    PeftConfig config{.alpha = values.at(prefix + "lora_alpha").get<double>(),
                      .is_rank_stabilised = values.value(prefix + "use_rslora", false)};
    const json patterns = values.value(prefix + "alpha_pattern", json::object());
    for (const auto& [pattern, alpha] : patterns.items())  // as in peft/utils/other.py get_pattern_key
      config.alpha_patterns.emplace_back(
          Pattern("(.*\\.)?(" + pattern + ")", "alpha_pattern of " + where, ExitCode::kBadData),
          alpha.get<double>());
    return config;
  } catch (const json::exception& failure) {
    refuse_description(where, "JSON with the arguments of PEFT's LoraConfig", failure.what());
  }
}

double DefaultAlpha::PeftConfig::alpha_of(const std::string& path, int64_t rank) const {
  double module_alpha = alpha;
  for (const auto& [pattern, value] : alpha_patterns)
    if (pattern.matches(path)) {
      module_alpha = value;
      break;
    }
  return is_rank_stabilised ? module_alpha * std::sqrt(static_cast<double>(rank)) : module_alpha;
}

void DefaultAlpha::warn_once(const std::string& text) {
  if (!has_warned_) log::warning(text);
  has_warned_ = true;
}

}  // namespace sdlora::lora
