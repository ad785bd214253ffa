// Whether an adapter's file goes with a model, and what of it does not.
#pragma once

#include <set>
#include <string>

#include "lora/adapter_file.h"

namespace sdlora::lora {

// Throws Error(kBadData) naming tensors and file when `pair` is not of a module from `in_features` to
// `out_features`.
void check_fit(const AdapterFile& adapter, const std::string& path, const LowRankPair& pair,
               int64_t in_features, int64_t out_features);

// What the file has besides the branches at `applied_paths`.
LeftOut find_left_out(const AdapterFile& adapter, const std::set<std::string>& applied_paths);

// Throws Error(kBadData): nothing of it could be used.
[[noreturn]] void refuse_unfit(const AdapterFile& adapter, const LeftOut& left_out);

}  // namespace sdlora::lora
