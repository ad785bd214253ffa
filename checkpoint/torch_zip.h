// The file that Python's torch.load reads by default (weights_only=True) as a plain dict of tensors.
#pragma once

#include <filesystem>

#include "checkpoint/named_tensors.h"

namespace sdlora::checkpoint {

// Atomically. Every tensor gets a storage of its own. Throws Error(kIo).
void write_torch_zip(const std::filesystem::path& file, const NamedTensors& tensors);

// Reads what write_torch_zip writes: a plain dict from names to tensors. Nothing else is unpickled.
// Throws Error(kBadData) naming the file and the flaw.
NamedTensors read_torch_zip(const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
