// The file of torch.save before torch 1.6 (`_use_new_zipfile_serialization=False`): five pickles (magic
// number, protocol, system, the object, the storages' keys), then each storage as its count and its elements.
#pragma once

#include "checkpoint/torch_contents.h"

namespace sdlora::checkpoint {

// By the magic number in the first of them.
bool is_legacy_torch_file(std::string_view bytes);

// As read_torch_contents.
TorchContents read_legacy_contents(std::string_view bytes, size_t most_pickle_bytes,
                                   const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
