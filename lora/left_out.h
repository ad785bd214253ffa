// What of an adapter's file is not used, and why.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace sdlora::lora {

// Tensor names by what kept them from being used: "OFT", "the text encoder".
using LeftOut = std::map<std::string, std::vector<std::string>>;

// "72 of the text encoder (lora_te_…, lora_te_…, …); 3 of OFT (…)"; empty for nothing.
std::string describe(const LeftOut& left_out);

}  // namespace sdlora::lora
