// Latents of a run's pictures in a safetensors file, as the tensor `latents` [n, 4, h, w].
#pragma once

#include <filesystem>
#include <vector>

#include <ATen/core/Tensor.h>

namespace sdlora::inference {

// f32. Throws Error(kIo) or Error(kBadData): no such tensor, another shape, values that are not finite.
at::Tensor read_latents(const std::filesystem::path& file, const std::vector<int64_t>& shape);

void write_latents(const std::filesystem::path& file, const at::Tensor& latents);

}  // namespace sdlora::inference
