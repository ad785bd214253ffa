// A picture with the parameters that made it.
#pragma once

#include <filesystem>
#include <string>

#include <ATen/core/Tensor.h>

namespace sdlora::inference {

// rgb [H, W, 3] u8. `parameters` goes into the PNG as the text chunk "parameters" (tEXt, or iTXt when it is
// not plain ASCII), where other programs look for it. Written atomically. Throws Error(kIo).
void write_png(const std::filesystem::path& file, const at::Tensor& rgb, const std::string& parameters);

}  // namespace sdlora::inference
