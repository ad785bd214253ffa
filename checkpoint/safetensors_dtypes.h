// The element types of safetensors that we read and write: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <c10/core/ScalarType.h>

namespace sdlora::checkpoint {

std::optional<at::ScalarType> dtype_from_safetensors_name(std::string_view name);

struct SafetensorsDtype {
  std::string_view name;
  int rank;  // place in the reference's `Dtype` enum: a writer puts higher ranks, so wider elements, first
};

std::optional<SafetensorsDtype> safetensors_dtype_of(at::ScalarType dtype);

// "BOOL, U8, …", for messages.
std::string safetensors_dtype_names();

}  // namespace sdlora::checkpoint
