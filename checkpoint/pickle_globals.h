// The functions and classes that a pickle names. None is ever called: a few have a meaning of their own here,
// some make the whole file be refused, and all others are opaque.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <c10/core/ScalarType.h>

namespace sdlora::checkpoint {

enum class GlobalMeaning : uint8_t {
  kOpaque,
  kOrderedDict,
  kParameterDict,
  kRebuildTensor,     // torch._utils._rebuild_tensor and _v2: storage, begin, shape, strides …
  kRebuildTensorV3,   // the same, then requires_grad, hooks, type: of types that came after the storages'
  kRebuildParameter,  // the tensor …
  kRebuildFromType,   // function, class, arguments, state: a tensor with attributes
  kUnreadableTensor,  // sparse, quantized …
};

GlobalMeaning meaning_of_global(std::string_view module, std::string_view name);

// Whether naming it can serve nothing but running something: os.system, builtins.eval, torch.os.system.
bool is_dangerous_global(std::string_view module, std::string_view name);

// "torch.FloatStorage" and its like; kByte for torch.storage.UntypedStorage, whose size counts bytes.
std::optional<at::ScalarType> dtype_of_storage_class(std::string_view name);

// "torch.float8_e4m3fn"; Undefined for what is no type or one that we do not read.
at::ScalarType dtype_of_global(std::string_view name);

}  // namespace sdlora::checkpoint
