// What an adapter makes of one module, weight and bias, whatever its kind.
#pragma once

#include <string>
#include <vector>

#include "lora/kinds/weight_change.h"

namespace sdlora::lora {

struct ModuleChange {
  WeightChange weight;                    // without `edit`: it stays
  Edit bias;                              // empty: it stays
  int64_t bias_size = 0;                  // that the bias must have; 0: any
  std::vector<std::string> tensor_names;  // in the file
};

}  // namespace sdlora::lora
