#include "lora/names/adapter_names.h"

#include <array>
#include <optional>
#include <string_view>

#include "lora/names/flat_name.h"

namespace sdlora::lora {
namespace {

struct Prefix {
  std::string_view text;
  std::optional<Naming> naming;
};

// What stands before a module's path. It need not say which network: no path is in both.
constexpr std::array kPrefixes{
    Prefix{"base_model.model.", Naming::kPeft},
    Prefix{"lora_unet_", Naming::kKohya},
    Prefix{"lora_te1_", Naming::kKohya},
    Prefix{"lora_te_", Naming::kKohya},
    Prefix{"oft_unet_", Naming::kKohya},
    Prefix{"lycoris_", Naming::kKohya},
    Prefix{"lycoris.", Naming::kKohya},
    Prefix{"lora.", Naming::kKohya},
    Prefix{"text_encoders.clip_l.transformer.", std::nullopt},
    Prefix{"text_encoders.clip_h.transformer.", std::nullopt},
    Prefix{"text_encoders.clip_l.", std::nullopt},
    Prefix{"text_encoders.clip_h.", std::nullopt},
    Prefix{"text_encoder.", std::nullopt},
    Prefix{"model.diffusion_model.", std::nullopt},
    Prefix{"diffusion_model.", std::nullopt},
    Prefix{"cond_stage_model.transformer.", std::nullopt},
    Prefix{"unet.", std::nullopt},
    Prefix{"unet_", std::nullopt},
};

void take_prefixes(std::string_view& name, Naming& naming) {
  for (size_t i = 0; i < kPrefixes.size();) {
    if (!name.starts_with(kPrefixes[i].text)) {
      ++i;
      continue;
    }
    name.remove_prefix(kPrefixes[i].text.size());
    if (kPrefixes[i].naming && naming != Naming::kPeft) naming = *kPrefixes[i].naming;
    i = 0;
  }
}

// "to_q.lora_A.default.weight" → "to_q.lora_A.weight": PEFT puts the adapter's own name in.
std::string without_adapter_name(const std::string& name) {
  const size_t last = name.rfind('.');
  if (last == std::string::npos || last == 0) return name;
  const size_t before = name.rfind('.', last - 1);
  const std::string_view stem = std::string_view(name).substr(0, before == std::string::npos ? 0 : before);
  const std::string_view kind = std::string_view(name).substr(last);
  const bool is_of_peft =
      (stem.ends_with(".lora_A") || stem.ends_with(".lora_B") || stem.ends_with(".lora_magnitude_vector")) &&
      last > before + 1 && (kind == ".weight" || kind == ".bias");
  return is_of_peft ? std::string(stem).append(kind) : name;
}

// Names that speak of other things than modules of a UNet and its text encoder.
std::optional<std::string> kind_of_foreign_name(const std::string& name) {
  constexpr std::string_view kBundle = "bundle_emb.";
  if (name.starts_with(kBundle))
    return "the embedding \"" + name.substr(kBundle.size(), name.find('.', kBundle.size()) - kBundle.size()) +
           "\"";
  if (name.size() >= 2 && name.front() == '<' && name.back() == '>') return "embeddings of new words";
  for (const std::string_view second : {"lora_te2_", "text_encoder_2.", "text_encoders.clip_g."})
    if (name.starts_with(second)) return "a second text encoder (SDXL)";
  return std::nullopt;
}

}  // namespace

AdapterName parse_adapter_name(const std::string& name) {
  AdapterName parsed;
  parsed.module = flat_name(name);
  if (const auto kind = kind_of_foreign_name(name)) {
    parsed.unsupported_kind = *kind;
    return parsed;
  }
  const std::string plain = without_adapter_name(name);
  const PartOfName found = part_of(plain).value_or(PartOfName{Part::kUnsupported, plain, "unknown names"});
  parsed.part = found.part;
  parsed.unsupported_kind = found.unsupported_kind;
  std::string_view module = found.module;
  take_prefixes(module, parsed.naming);
  parsed.dotted = module;
  for (const std::string_view processor : {".processor", "_processor"})
    if (const size_t at = parsed.dotted.find(processor); at != std::string::npos)
      parsed.dotted.erase(at, processor.size());
  parsed.module = flat_name(parsed.dotted);
  if (parsed.naming == Naming::kDiffusers && (plain.ends_with(".lora_A") || plain.ends_with(".lora_B")))
    parsed.naming = Naming::kSdlora;
  return parsed;
}

const char* text_of(Naming naming) {
  switch (naming) {
    case Naming::kSdlora:
      return "sdlora";
    case Naming::kKohya:
      return "kohya";
    case Naming::kDiffusers:
      return "diffusers";
    case Naming::kNumbered:
      return "cloneofsimo";
    case Naming::kPeft:
      break;
  }
  return "PEFT";
}

}  // namespace sdlora::lora
