// An adapter of lower ranks: what of its ΔW the greatest singular values make.
#pragma once

#include <map>
#include <string>

#include "lora/adapter_file.h"
#include "lora/tools/rank_rule.h"

namespace sdlora::lora {

struct ResizedModule {
  int64_t rank_before, rank;
  double lost_share;  // of ΔW's Frobenius norm
};

struct Resized {
  AdapterFile adapter;
  std::map<std::string, ResizedModule> modules;  // by path
  double lost_share = 0;                         // of the Frobenius norm of all ΔW together
};

// The scales stay, and DoRA's magnitudes. `of_kernels`: of convolutions, those over one pixel too, as in
// sd-scripts. A module whose rank is lower already stays as it is. Throws Error(kBadData) when the adapter
// has modules that are no pairs of A and B.
Resized resized(const AdapterFile& adapter, const RankRule& of_matrices, const RankRule& of_kernels);

}  // namespace sdlora::lora
