#include "checkpoint/safetensors_dtypes.h"

#include <array>

namespace sdlora::checkpoint {
namespace {

constexpr at::ScalarType kNotRead = at::ScalarType::Undefined;

// In the order of the reference's enum (safetensors/src/tensor.rs, `Dtype`).
constexpr std::array<SafetensorsType, 22> kTypes{{{"BOOL", 8, at::kBool},
                                                  {"F4", 4, kNotRead},
                                                  {"F6_E2M3", 6, kNotRead},
                                                  {"F6_E3M2", 6, kNotRead},
                                                  {"U8", 8, at::kByte},
                                                  {"I8", 8, at::kChar},
                                                  {"F8_E5M2", 8, at::kFloat8_e5m2},
                                                  {"F8_E4M3", 8, at::kFloat8_e4m3fn},
                                                  {"F8_E8M0", 8, kNotRead},
                                                  {"F8_E4M3FNUZ", 8, kNotRead},
                                                  {"F8_E5M2FNUZ", 8, kNotRead},
                                                  {"I16", 16, at::kShort},
                                                  {"U16", 16, kNotRead},
                                                  {"F16", 16, at::kHalf},
                                                  {"BF16", 16, at::kBFloat16},
                                                  {"I32", 32, at::kInt},
                                                  {"U32", 32, kNotRead},
                                                  {"F32", 32, at::kFloat},
                                                  {"C64", 64, kNotRead},
                                                  {"F64", 64, at::kDouble},
                                                  {"I64", 64, at::kLong},
                                                  {"U64", 64, kNotRead}}};

}  // namespace

std::optional<SafetensorsType> safetensors_type_of(std::string_view name) {
  for (const SafetensorsType& type : kTypes) {
    if (type.name == name) return type;
  }
  return std::nullopt;
}

std::optional<SafetensorsDtype> safetensors_dtype_of(at::ScalarType dtype) {
  if (dtype == kNotRead) return std::nullopt;
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].dtype == dtype) return SafetensorsDtype{kTypes[i].name, static_cast<int>(i)};
  }
  return std::nullopt;
}

std::string safetensors_dtype_names() {
  std::string names;
  for (const SafetensorsType& type : kTypes) {
    if (type.dtype != kNotRead) names += (names.empty() ? "" : ", ") + std::string(type.name);
  }
  return names;
}

}  // namespace sdlora::checkpoint
