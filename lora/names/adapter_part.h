// What a tensor is of its module's adapter, and how that is spelled.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sdlora::lora {

enum class Part {
  kA,              // LoRA's down, [r, in] or [r, in, k, k]
  kB,              // LoRA's up, [out, r] or [out, r, 1, 1]
  kMid,            // Tucker's core between them, [r, r, k, k]
  kSingular,       // AdaLoRA's E, [r, 1]
  kAlpha,          // the branch counts alpha / r
  kScale,          // in place of alpha / r
  kMagnitude,      // DoRA's, the axis by its shape
  kPeftMagnitude,  // DoRA's as PEFT has it, of the outputs
  kBiasOfB,        // added to the outputs, scaled as the branch
  kLohaW1A,
  kLohaW1B,
  kLohaW2A,
  kLohaW2B,
  kLohaT1,
  kLohaT2,
  kLokrW1,
  kLokrW1A,
  kLokrW1B,
  kLokrW2,
  kLokrW2A,
  kLokrW2B,
  kLokrT2,
  kGloraA1,
  kGloraA2,
  kGloraB1,
  kGloraB2,
  kGloraMid,
  kFactor,      // IA3 of LyCORIS: what is added to 1, see kOnInput; in a file of PEFT, the whole weight
  kOnInput,     // whether kFactor is for the inputs
  kPeftFactor,  // IA3 of PEFT: the factor itself
  kDifference,  // of the whole weight
  kBiasDifference,
  kValue,      // in place of the whole weight
  kBiasValue,  // in place of the bias, of PEFT
  kUnsupported,
};

struct PartOfName {
  Part part;
  std::string_view module;  // the rest of the name
  const char* unsupported_kind = "";
};

// What `name` ends with. Nothing: not a part of an adapter that is known.
std::optional<PartOfName> part_of(std::string_view name);

}  // namespace sdlora::lora
