// The file that Python's torch.load reads by default (weights_only=True) as a plain dict of tensors.
#pragma once

#include <filesystem>

#include "checkpoint/named_tensors.h"

namespace sdlora::checkpoint {

// Atomically; the bytes depend on names and values alone. Every tensor gets a storage of its own. Throws
// Error(kIo).
void write_torch_zip(const std::filesystem::path& file, const NamedTensors& tensors);

// Reads what write_torch_zip writes, and what Python's torch.save makes of a dict or OrderedDict (a
// state_dict) of tensors or parameters, also in the format from before torch 1.6 and within a `state_dict`
// (torch_pickle.h). Strides and shared storages are as saved. Nothing is called, and every record's checksum
// is verified. Throws Error(kBadData) naming the file and the flaw, Error(kIo).
NamedTensors read_torch_zip(const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
