// The element types of safetensors. Those that LibTorch computes with are read and written: F64 F32 F16 BF16
// F8_E4M3 F8_E5M2 I64 I32 I16 I8 U8 BOOL; of the others only the size is known.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <c10/core/ScalarType.h>

namespace sdlora::checkpoint {

struct SafetensorsType {
  std::string_view name;
  int64_t element_bits;  // below 8 for those that share bytes
  at::ScalarType dtype;  // Undefined for those that are not read
};

// Of every name that the reference knows.
std::optional<SafetensorsType> safetensors_type_of(std::string_view name);

struct SafetensorsDtype {
  std::string_view name;
  int rank;  // place in the reference's `Dtype` enum: a writer puts higher ranks, so wider elements, first
};

std::optional<SafetensorsDtype> safetensors_dtype_of(at::ScalarType dtype);

// "BOOL, U8, …" of those that are read, for messages.
std::string safetensors_dtype_names();

}  // namespace sdlora::checkpoint
