// cloneofsimo/lora numbers the modules it changes ("unet:12:up", or the 12th pair of a list) as diffusers and
// transformers of its days list them: attention's projections, mostly those of the feed-forward's gate, too,
// which then stood between both attentions (lora_diffusion/lora.py _find_modules, save_all).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lora/names/module_table.h"

namespace sdlora::lora {

struct NumberedName {
  Network network;
  size_t number;
  bool is_up;  // B, else A
};

// "unet:12:up", or "24" of a list, which has up and down of one network by turns; taken for the UNet's.
std::optional<NumberedName> parse_numbered_name(const std::string& name);

// [out, in] of a numbered pair, kernels with all axes but the first as one.
using MatrixShape = std::pair<int64_t, int64_t>;

// The modules that pairs of these shapes are of, by number; none when no known list of modules has them.
std::vector<const ModelModule*> numbered_modules(const ModuleTable& table, Network network,
                                                 const std::vector<MatrixShape>& shapes);

}  // namespace sdlora::lora
