// An adapter as PEFT's save_pretrained leaves it: adapter_model.safetensors and adapter_config.json.
#pragma once

#include <filesystem>

#include <c10/core/ScalarType.h>

#include "lora/adapter_file.h"

namespace sdlora::lora {

// In `folder`, which is made; of an adapter for both networks in `folder`/unet and `folder`/text_encoder,
// since PEFT's adapters are of one model each. Throws Error(kIo).
void write_peft_folder(const AdapterFile& adapter, const std::filesystem::path& folder, at::ScalarType dtype);

}  // namespace sdlora::lora
