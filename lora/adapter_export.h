// Adapters for other programs: safetensors in the names that they read.
#pragma once

#include <filesystem>

#include <c10/core/ScalarType.h>

#include "lora/adapter_file.h"

namespace sdlora::lora {

enum class ExportNaming {
  kKohya,      // lora_unet_….lora_down.weight, .lora_up.weight, .alpha: ComfyUI, AUTOMATIC1111, sd-scripts
  kDiffusers,  // unet.….lora_A.weight, .lora_B.weight: load_lora_weights. It has no alpha tensors and takes
               // scale 1, so alpha / rank is multiplied into B.
};

struct ExportForm {
  ExportNaming naming = ExportNaming::kKohya;
  at::ScalarType dtype = at::kFloat;   // of every tensor: kFloat, kHalf, kBFloat16
  checkpoint::Metadata metadata = {};  // besides what the adapter's own file says and its tensors show
};

struct ModuleCounts {
  size_t unet, text_encoder;
};

// Those with A and B, with magnitudes or without.
ModuleCounts count_modules(const AdapterFile& adapter);

// Throws Error(kBadData) when the adapter has something besides pairs of A and B, and DoRA's magnitudes by
// output, or is for another family of models. `what_for`: "converted".
void require_pairs(const AdapterFile& adapter, const char* what_for);

// diffusers and PEFT take an adapter for DoRA as a whole, and give modules without a magnitude the frozen
// weight's. Throws Error(kBadData).
void require_all_dora_or_none(const AdapterFile& adapter);

// Whether no value of it is beyond the greatest of `dtype` (65,504 of fp16).
bool fits_in(const AdapterFile& adapter, at::ScalarType dtype);

// Every module of `adapter`, atomically. In kohya's names with metadata: what the adapter's file said, over
// it what its tensors show, over that `form.metadata`, and the hashes of kohya_hashes.h. Throws
// Error(kBadData) when the adapter has tensors that could not be read, since the copy would lack them, does
// not fit in `form.dtype`, or is for diffusers and has DoRA's magnitudes in some modules alone; Error(kIo).
void export_adapter(const AdapterFile& adapter, const std::filesystem::path& file, const ExportForm& form);

}  // namespace sdlora::lora
