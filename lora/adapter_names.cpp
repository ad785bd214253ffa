#include "lora/adapter_names.h"

#include <array>
#include <optional>
#include <string_view>

#include "lora/kohya_names.h"

namespace sdlora::lora {
namespace {

struct Suffix {
  std::string_view text;
  Part part;
};

constexpr std::array kSuffixes{
    Suffix{".lora_down.weight", Part::kA},  // kohya
    Suffix{".lora_up.weight", Part::kB},
    Suffix{".lora_A.weight", Part::kA},  // PEFT, diffusers
    Suffix{".lora_B.weight", Part::kB},
    Suffix{".lora.down.weight", Part::kA},  // diffusers until 0.26
    Suffix{".lora.up.weight", Part::kB},
    Suffix{"_lora.down.weight", Part::kA},  // its attention processors
    Suffix{"_lora.up.weight", Part::kB},
    Suffix{".lora_linear_layer.down.weight", Part::kA},  // its text encoders
    Suffix{".lora_linear_layer.up.weight", Part::kB},
    Suffix{".lora_A", Part::kA},  // sdlora
    Suffix{".lora_B", Part::kB},
    Suffix{".alpha", Part::kAlpha},
};

// What follows the module's name in tensors that change the meaning of its A and B, or stand for them.
struct ForeignMark {
  std::string_view text;
  const char* kind;
};

constexpr std::array kForeignMarks{
    ForeignMark{".lora_mid.", "LoCon with a Tucker core"},
    ForeignMark{".hada_", "LoHa"},
    ForeignMark{".lokr_", "LoKr"},
    ForeignMark{".dora_scale", "DoRA"},
    ForeignMark{".lora_magnitude_vector", "DoRA"},
    ForeignMark{".oft_", "OFT"},
    ForeignMark{".ia3_", "IA3"},
    ForeignMark{".on_input", "IA3"},
    ForeignMark{".diff", "whole weight differences"},
    ForeignMark{".lora_embedding_", "LoRA of embeddings"},
    ForeignMark{".lora_B.bias", "LoRA with a bias"},
    ForeignMark{".lora_up.bias", "LoRA with a bias"},
};

bool remove_prefix(std::string& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.erase(0, prefix.size());
  return true;
}

// "to_q.lora_A.default.weight" → "to_q.lora_A.weight": PEFT puts the adapter's own name in.
std::string without_adapter_name(const std::string& name) {
  const size_t last = name.rfind('.');
  if (last == std::string::npos || last == 0) return name;
  const size_t before = name.rfind('.', last - 1);
  const std::string_view stem = std::string_view(name).substr(0, before == std::string::npos ? 0 : before);
  const std::string_view kind = std::string_view(name).substr(last);
  const bool is_of_peft = (stem.ends_with(".lora_A") || stem.ends_with(".lora_B")) && last > before + 1 &&
                          (kind == ".weight" || kind == ".bias");
  return is_of_peft ? std::string(stem).append(kind) : name;
}

// The module's old and new spellings as one path.
std::string modern_path(std::string path) {
  constexpr std::string_view kProcessor = ".processor.";
  if (const size_t at = path.find(kProcessor); at != std::string::npos)
    path.replace(at, kProcessor.size(), ".");
  return path.ends_with(".to_out") ? path + ".0" : path;
}

// The network whose prefix `name` loses. Without any the UNet is meant.
Network take_network(std::string& name, Naming& naming) {
  if (remove_prefix(name, "base_model.model.")) naming = Naming::kPeft;
  if (remove_prefix(name, "text_encoder.") || name.starts_with("text_model.")) return Network::kTextEncoder;
  remove_prefix(name, "unet.");
  return Network::kUnet;
}

// "unet:12:down"
bool is_numbered(const std::string& name) {
  for (const std::string_view network : {"unet:", "text_encoder:"}) {
    if (!name.starts_with(network)) continue;
    const size_t end = name.find_first_not_of("0123456789", network.size());
    return end != std::string::npos && end > network.size() && name[end] == ':';
  }
  return false;
}

// Names that speak of other things than modules of SD 1.5's UNet and text encoder.
std::optional<std::string> kind_of_foreign_name(const std::string& name) {
  if (is_numbered(name)) return "numbered instead of named modules (cloneofsimo/lora)";
  if (name.size() >= 2 && name.front() == '<' && name.back() == '>') return "embeddings of new words";
  if (name.starts_with("lora_te2_") || name.starts_with("text_encoder_2."))
    return "a second text encoder (SDXL)";
  return std::nullopt;
}

}  // namespace

AdapterName parse_adapter_name(const std::string& name) {
  AdapterName parsed{
      .naming = Naming::kDiffusers, .network = Network::kUnet, .path = name, .part = Part::kUnsupported};
  if (const auto kind = kind_of_foreign_name(name)) {
    parsed.unsupported_kind = *kind;
    return parsed;
  }
  std::string rest = name;
  if (remove_prefix(rest, "lora_unet_")) {
    parsed.naming = Naming::kKohya;
  } else if (remove_prefix(rest, "lora_te_") || remove_prefix(rest, "lora_te1_")) {
    parsed.naming = Naming::kKohya;
    parsed.network = Network::kTextEncoder;
  } else {
    rest = without_adapter_name(rest);
    parsed.network = take_network(rest, parsed.naming);
  }
  const auto path_of = [&](size_t end) {
    const std::string module = rest.substr(0, end);
    return parsed.naming == Naming::kKohya ? path_of_kohya_name(module) : modern_path(module);
  };
  for (const auto& [mark, kind] : kForeignMarks)
    if (const size_t at = rest.rfind(mark); at != std::string::npos) {
      parsed.path = path_of(at);
      parsed.unsupported_kind = kind;
      return parsed;
    }
  for (const auto& [suffix, part] : kSuffixes)
    if (rest.ends_with(suffix)) {
      parsed.path = path_of(rest.size() - suffix.size());
      parsed.part = part;
      if (parsed.naming == Naming::kDiffusers && (suffix == ".lora_A" || suffix == ".lora_B"))
        parsed.naming = Naming::kSdlora;
      return parsed;
    }
  parsed.unsupported_kind = "unknown names";
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
    case Naming::kPeft:
      break;
  }
  return "PEFT";
}

}  // namespace sdlora::lora
