// The types that the GPU kernels compute with, by name, and how a launch becomes one of a kernel's instances.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "model/kernels/cuda/element_pack.h"

namespace sdlora::model::kernels::cuda {

enum class ElementType { kFloat, kHalf, kBFloat16 };

// Calls run.operator()<T, kWidth>(): full packs where rows of `row_length` values and all of `pointers` (null
// ones aside) allow them, else single values.
template <typename Run>
cudaError_t with_widest_pack(ElementType type, int64_t row_length,
                             std::initializer_list<const void*> pointers, const Run& run) {
  const auto for_type = [&]<typename T>(std::type_identity<T>) {
    bool is_aligned = row_length % kFullWidth<T> == 0;
    for (const void* pointer : pointers)
      is_aligned = is_aligned && reinterpret_cast<uintptr_t>(pointer) % kAccessBytes == 0;
    return is_aligned ? run.template operator()<T, kFullWidth<T>>() : run.template operator()<T, 1>();
  };
  switch (type) {
    case ElementType::kHalf:
      return for_type(std::type_identity<__half>());
    case ElementType::kBFloat16:
      return for_type(std::type_identity<__nv_bfloat16>());
    default:
      return for_type(std::type_identity<float>());
  }
}

}  // namespace sdlora::model::kernels::cuda
