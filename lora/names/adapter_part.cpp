#include "lora/names/adapter_part.h"

#include <array>

namespace sdlora::lora {
namespace {

struct Spelling {
  std::string_view suffix;
  Part part;
};

// The first that fits: those that end like another stand before it.
constexpr std::array kSpellings{
    Spelling{".lora_down.weight", Part::kA},  // kohya
    Spelling{".lora_up.weight", Part::kB},
    Spelling{".lora_mid.weight", Part::kMid},
    Spelling{".lora_A.weight", Part::kA},  // PEFT, diffusers
    Spelling{".lora_B.weight", Part::kB},
    Spelling{".lora.down.weight", Part::kA},  // diffusers until 0.26
    Spelling{".lora.up.weight", Part::kB},
    Spelling{"_lora.down.weight", Part::kA},  // its attention processors
    Spelling{"_lora.up.weight", Part::kB},
    Spelling{".lora_linear_layer.down.weight", Part::kA},  // its text encoders
    Spelling{".lora_linear_layer.up.weight", Part::kB},
    Spelling{"_lora_down.weight", Part::kA},  // the same made flat
    Spelling{"_lora_up.weight", Part::kB},
    Spelling{".lora_A", Part::kA},  // sdlora, AdaLoRA
    Spelling{".lora_B", Part::kB},
    Spelling{".lora_E", Part::kSingular},
    Spelling{".alpha", Part::kAlpha},
    Spelling{".scale", Part::kScale},
    Spelling{".dora_scale", Part::kMagnitude},
    Spelling{".lora_magnitude_vector.weight", Part::kPeftMagnitude},
    Spelling{".lora_magnitude_vector", Part::kPeftMagnitude},
    Spelling{".lora_B.bias", Part::kBiasOfB},
    Spelling{".lora_up.bias", Part::kBiasOfB},
    Spelling{".hada_w1_a", Part::kLohaW1A},
    Spelling{".hada_w1_b", Part::kLohaW1B},
    Spelling{".hada_w2_a", Part::kLohaW2A},
    Spelling{".hada_w2_b", Part::kLohaW2B},
    Spelling{".hada_t1", Part::kLohaT1},
    Spelling{".hada_t2", Part::kLohaT2},
    Spelling{".lokr_w1", Part::kLokrW1},
    Spelling{".lokr_w1_a", Part::kLokrW1A},
    Spelling{".lokr_w1_b", Part::kLokrW1B},
    Spelling{".lokr_w2", Part::kLokrW2},
    Spelling{".lokr_w2_a", Part::kLokrW2A},
    Spelling{".lokr_w2_b", Part::kLokrW2B},
    Spelling{".lokr_t2", Part::kLokrT2},
    Spelling{".a1.weight", Part::kGloraA1},
    Spelling{".a2.weight", Part::kGloraA2},
    Spelling{".b1.weight", Part::kGloraB1},
    Spelling{".b2.weight", Part::kGloraB2},
    Spelling{".bm.weight", Part::kGloraMid},
    Spelling{".on_input", Part::kOnInput},
    Spelling{".ia3_l", Part::kPeftFactor},
    Spelling{".diff", Part::kDifference},
    Spelling{".w_norm", Part::kDifference},
    Spelling{".diff_b", Part::kBiasDifference},
    Spelling{".b_norm", Part::kBiasDifference},
    Spelling{".set_weight", Part::kValue},
    Spelling{".weight", Part::kFactor},
    Spelling{".bias", Part::kBiasValue},
};

// What other methods' tensors have in their names.
struct ForeignMark {
  std::string_view text;
  const char* kind;
};

constexpr std::array kForeignMarks{
    ForeignMark{".oft_", "OFT"},
    ForeignMark{".rescale", "OFT"},
    ForeignMark{".boft_", "BOFT"},
    ForeignMark{".vera_", "VeRA"},
    ForeignMark{".hra_", "HRA"},
    ForeignMark{".vblora_", "VB-LoRA"},
    ForeignMark{".fourierft_", "FourierFT"},
    ForeignMark{".lora_latent", "LoRA-XS"},
    ForeignMark{".default_lora_latent_mapping", "LoRA-XS"},
    ForeignMark{".lora_embedding_", "LoRA of embeddings"},
    ForeignMark{".reshape_weight", "weights of another shape (reshape_weight)"},
    ForeignMark{".lokr_t1", "LoKr with a core in its first factor"},
    ForeignMark{".bias_indices", "sparse weight differences"},
    ForeignMark{".bias_values", "sparse weight differences"},
    ForeignMark{".bias_size", "sparse weight differences"},
};

}  // namespace

std::optional<PartOfName> part_of(std::string_view name) {
  for (const auto& [text, kind] : kForeignMarks)
    if (const size_t at = name.rfind(text); at != std::string_view::npos)
      return PartOfName{Part::kUnsupported, name.substr(0, at), kind};
  for (const auto& [suffix, part] : kSpellings)
    if (name.ends_with(suffix)) return PartOfName{part, name.substr(0, name.size() - suffix.size())};
  return std::nullopt;
}

}  // namespace sdlora::lora
