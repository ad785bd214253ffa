// A run of generate: from options to picture files.
#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

#include "inference/generate_options.h"

namespace sdlora::inference {

// Called after every step of a picture.
using GenerateProgress = std::function<void(int64_t steps_done, int64_t step_count)>;

// Everything that can be checked is checked before the first step; each picture is on disk before the
// next batch begins. Throws Error: kUsage, kBadData, kIo, kDiverged (a picture is not finite).
void generate(const GenerateOptions& options, at::Device device, const GenerateProgress& progress);

}  // namespace sdlora::inference
