// Adapters for other programs: safetensors in the names that they read.
#pragma once

#include <filesystem>

#include "lora/adapter_file.h"

namespace sdlora::lora {

enum class ExportNaming {
  kKohya,      // lora_unet_….lora_down.weight, .lora_up.weight, .alpha: ComfyUI, AUTOMATIC1111, sd-scripts
  kDiffusers,  // unet.….lora_A.weight, .lora_B.weight: load_lora_weights. It has no alpha tensors and takes
               // scale 1, so alpha / rank is multiplied into B.
};

struct ModuleCounts {
  size_t unet, text_encoder;
};

// Those with A and B, with magnitudes or without.
ModuleCounts count_modules(const AdapterFile& adapter);

// Every module of `adapter` as fp32, atomically. Throws Error(kBadData) when the adapter has tensors that
// could not be read, since the copy would lack them, or is for diffusers and has
// DoRA's magnitudes in some modules alone; Error(kIo).
void export_adapter(const AdapterFile& adapter, const std::filesystem::path& file, ExportNaming naming);

}  // namespace sdlora::lora
