// The pickle of a .pt file, read by a machine that knows what a dict of tensors needs and nothing else.
// torch::jit::Unpickler is not used: it takes lengths and indices of the file on trust, and cannot read a
// state_dict, which is an OrderedDict. Here a global is a word to compare, never something to call.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "checkpoint/named_tensors.h"

namespace sdlora::checkpoint {

// The bytes of the archive's record of that name; throws when it is missing.
using RecordReader = std::function<std::string_view(const std::string& name)>;

// A dict or OrderedDict from names to tensors (torch.save of protocol 2, its default). Strides and shared
// storages are as they were saved. Throws Error(kBadData) naming `file` and the flaw.
NamedTensors read_tensor_pickle(std::string_view pickle, const RecordReader& read_record,
                                const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
