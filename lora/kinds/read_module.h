// From the parts that a file has for a module to what they make of it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "lora/kinds/dora.h"
#include "lora/kinds/low_rank.h"
#include "lora/kinds/module_change.h"
#include "lora/kinds/module_parts.h"

namespace sdlora::lora {

// One of the first and the last two.
struct ModuleRead {
  std::optional<LowRankPair> pair;     // A and B alone, which can be trained on and converted
  std::optional<DoraPair> dora;        // what `change` is of, where it is that and nothing more
  std::optional<ModuleChange> change;  // of any other kind
  std::string unsupported_kind;
};

// What the file says besides its tensors.
struct ModuleContext {
  std::function<double(int64_t rank)> default_alpha;  // of a module without alpha and scale
  bool takes_zero_alpha_for_rank = false;             // as kohya's networks/lora.py LoRAModule does
  bool is_of_peft = false;
};

// Throws Error(kBadData) naming the tensor: parts that are missing or do not go together, values that are not
// finite numbers.
ModuleRead read_module(const ModuleParts& parts, const ModuleContext& context);

}  // namespace sdlora::lora
