// Which adapters are asked for, and how much each counts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdlora::lora {

struct AdapterRequest {
  std::filesystem::path file;
  double scale;
};

// Each of `texts` is FILE, or FILE:SCALE where FILE:SCALE is no file itself; without a scale of its own it
// has `default_scale`. Throws Error(kUsage) when one is empty.
std::vector<AdapterRequest> adapter_requests(const std::vector<std::string>& texts, double default_scale);

}  // namespace sdlora::lora
