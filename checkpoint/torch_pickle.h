// The pickle of a .pt or .ckpt file, read by a machine that never calls anything (pickle_machine.h).
// torch::jit::Unpickler is not used: it takes lengths and indices of the file on trust, and cannot read a
// state_dict, which is an OrderedDict.
#pragma once

#include <filesystem>
#include <string_view>

#include "checkpoint/named_tensors.h"
#include "checkpoint/torch_pickle_tensor.h"

namespace sdlora::checkpoint {

class PickleObjects;
struct Value;

// The tensors by name of a dict, OrderedDict or ParameterDict, in which anything else is passed over; of the
// dict within, where there is a `state_dict`, or a single entry that is a dict (twice or thrice, too); of a
// list of nothing but tensors, under "0", "1" … (adapters of cloneofsimo/lora). Throws Error(kBadData) naming
// `file` and the flaw: a broken pickle, a module that runs things (os, subprocess, builtins.eval …), or no
// tensor at all beside other things. An empty dict has no tensors.
TensorPickle parse_tensor_pickle(std::string_view pickle, const std::filesystem::path& file);

// The same for a pickle that the machine has read.
TensorPickle tensors_of(const PickleObjects& objects, const Value& top);

// parse_tensor_pickle, and every tensor in memory of its own (copy_tensors).
NamedTensors read_tensor_pickle(std::string_view pickle, const RecordReader& read_record,
                                const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
