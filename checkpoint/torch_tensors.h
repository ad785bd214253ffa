// A .pt or .ckpt file of a model: mapped, each tensor looked at when it is asked for.
#pragma once

#include "checkpoint/tensor_file.h"

namespace sdlora::checkpoint {

// Of a file of torch.save, zip or from before 1.6. Throws Error(kBadData), Error(kIo).
std::shared_ptr<const TensorFile> map_torch_file(const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
