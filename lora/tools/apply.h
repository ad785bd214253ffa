// Adapters merged into a checkpoint for good: W' = W + m ΔW, as generate draws with them (adapter_edits.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <c10/core/ScalarType.h>

#include "lora/adapter_requests.h"

namespace sdlora::lora {

struct AppliedToModel {
  int64_t changed_count = 0;  // weights and biases
  int64_t missing_count = 0;  // those that the adapters change and the model does not have
  bool has_unchanged_ema = false;
};

// `model`: as --model takes it. `output`: in the same layout, a .safetensors file for a checkpoint file,
// which keeps its names and metadata, or a folder for a directory, which must not be there. `dtype`: of all
// floating weights; nothing: as they are stored. A tensor at a time is in memory. Throws Error(kUsage) for an
// output of another layout or one that is there; Error(kBadData) as AdapterEdits::add, and for values that
// `dtype` does not hold; Error(kIo).
AppliedToModel apply(const std::filesystem::path& model, const std::vector<AdapterRequest>& adapters,
                     const std::filesystem::path& output, std::optional<at::ScalarType> dtype);

}  // namespace sdlora::lora
