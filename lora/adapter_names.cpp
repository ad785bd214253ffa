#include "lora/adapter_names.h"

#include <array>
#include <optional>
#include <regex>
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
  static const std::regex pattern(R"(\.(lora_[AB])\.[^.]+\.(weight|bias)$)");
  return std::regex_replace(name, pattern, ".$1.$2");
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

// Names that speak of other things than modules of SD 1.5's UNet and text encoder.
std::optional<std::string> kind_of_foreign_name(const std::string& name) {
  static const std::regex numbered(R"((unet|text_encoder):\d+:.*)"), word(R"(<.*>)");
  if (std::regex_match(name, numbered)) return "numbered instead of named modules (cloneofsimo/lora)";
  if (std::regex_match(name, word)) return "embeddings of new words";
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
