// An adapter in another program's form.
#pragma once

#include <filesystem>

#include "common/words.h"
#include "lora/adapter_export.h"

namespace sdlora::lora {

enum class AdapterFormat {
  kKohya,      // one file: ComfyUI, AUTOMATIC1111, sd-scripts
  kDiffusers,  // one file: load_lora_weights
  kPeft,       // a folder, or one for each network: PeftModel.from_pretrained
  kPt,         // ours: torch.load, with a .json beside it
};

Words<AdapterFormat> adapter_format_words();

// `output`: the form's file or folder. Throws Error(kUsage) where its name says another format, or `dtype` is
// none of the form's; as export_adapter().
void convert(const AdapterFile& adapter, const std::filesystem::path& output, AdapterFormat format,
             at::ScalarType dtype);

}  // namespace sdlora::lora
