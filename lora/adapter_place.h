// Which file is meant by a path that may be a folder.
#pragma once

#include <filesystem>

namespace sdlora::lora {

// `path` itself, or in a folder what PEFT's save_pretrained, diffusers' save_lora_weights or our trainer puts
// there. Throws Error(kUsage) naming what was sought.
std::filesystem::path adapter_file_at(const std::filesystem::path& path);

}  // namespace sdlora::lora
