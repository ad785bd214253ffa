#include "lora/adapter_place.h"

#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"

namespace sdlora::lora {

std::filesystem::path adapter_file_at(const std::filesystem::path& path) {
  constexpr std::array kNames{"adapter_model.safetensors", "adapter_model.bin",
                              "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin",
                              "lora_weights.pt"};
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return path;
  for (const char* name : kNames)
    if (std::filesystem::exists(path / name, ignored)) return path / name;
  throw Error(ExitCode::kUsage, {.what = "the folder has no adapter",
                                 .expected = fmt::format("one of {}", fmt::join(kNames, ", ")),
                                 .where = path.string(),
                                 .advice = "name the adapter's file"});
}

}  // namespace sdlora::lora
