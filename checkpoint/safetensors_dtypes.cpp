#include "checkpoint/safetensors_dtypes.h"

#include <array>

namespace sdlora::checkpoint {
namespace {

struct Row {
  std::string_view name;
  at::ScalarType dtype;
};

// In the order of the reference's enum (safetensors/src/tensor.rs, `Dtype`).
constexpr std::array<Row, 10> kRows{{{"BOOL", at::kBool},
                                     {"U8", at::kByte},
                                     {"I8", at::kChar},
                                     {"I16", at::kShort},
                                     {"F16", at::kHalf},
                                     {"BF16", at::kBFloat16},
                                     {"I32", at::kInt},
                                     {"F32", at::kFloat},
                                     {"F64", at::kDouble},
                                     {"I64", at::kLong}}};

}  // namespace

std::optional<at::ScalarType> dtype_from_safetensors_name(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<SafetensorsDtype> safetensors_dtype_of(at::ScalarType dtype) {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].dtype == dtype) return SafetensorsDtype{kRows[i].name, static_cast<int>(i)};
  }
  return std::nullopt;
}

std::string safetensors_dtype_names() {
  std::string names;
  for (const Row& row : kRows) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

}  // namespace sdlora::checkpoint
