// Tensors by name, ordered by name, so that what is written does not depend on insertion order.
#pragma once

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace sdlora::checkpoint {

using NamedTensors = std::map<std::string, at::Tensor>;
using Metadata = std::map<std::string, std::string>;

}  // namespace sdlora::checkpoint
