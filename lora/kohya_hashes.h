// The hashes by which other programs know an adapter's file, whatever it is called.
#pragma once

#include <filesystem>
#include <string>

#include "checkpoint/named_tensors.h"

namespace sdlora::lora {

struct KohyaHashes {
  std::string model;   // sshs_model_hash: SHA-256 of the tensors' bytes in the file's order. AUTOMATIC1111
                       // shows it, Civitai calls it AutoV3.
  std::string legacy;  // sshs_legacy_hash: the first 8 digits of that of 64 KiB from 1 MiB on
};

// sd-scripts' library/train_util.py precalculate_safetensors_hashes: of the file as it would be with no
// metadata but the "ss_" ones. `file`: for messages.
KohyaHashes kohya_hashes(const checkpoint::NamedTensors& tensors, const checkpoint::Metadata& metadata,
                         const std::filesystem::path& file);

// The same piece of a checkpoint's file, as AUTOMATIC1111 called models by at first (ss_sd_model_hash).
// Throws Error(kIo).
std::string legacy_hash_of_file(const std::filesystem::path& file);

}  // namespace sdlora::lora
