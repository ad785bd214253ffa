// Values as a GPU thread loads them: fp32, fp16 or bf16, kWidth neighbours in one access, computed with in
// fp32. In __host__ __device__ functions, so that tests run on the CPU what a thread runs on the GPU.
#pragma once

#include <cstdint>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

namespace sdlora::model::kernels::cuda {

// What one access of a thread brings at best.
inline constexpr int kAccessBytes = 16;

// Of T in one access.
template <typename T>
inline constexpr int kFullWidth = kAccessBytes / static_cast<int>(sizeof(T));

template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T values[kWidth];
};

__host__ __device__ inline float to_float(float value) {
  return value;
}

__host__ __device__ inline float to_float(__half value) {
  return __half2float(value);
}

__host__ __device__ inline float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

__host__ __device__ inline void round_to(float value, float& rounded) {
  rounded = value;
}

__host__ __device__ inline void round_to(float value, __half& rounded) {
  rounded = __float2half(value);
}

__host__ __device__ inline void round_to(float value, __nv_bfloat16& rounded) {
  rounded = __float2bfloat16(value);
}

// `from` is aligned to the whole pack.
template <typename T, int kWidth>
__host__ __device__ inline void load(const T* from, float (&values)[kWidth]) {
  const auto pack = *reinterpret_cast<const Pack<T, kWidth>*>(from);
  for (int lane = 0; lane < kWidth; ++lane) values[lane] = to_float(pack.values[lane]);
}

// `to` is aligned to the whole pack.
template <typename T, int kWidth>
__host__ __device__ inline void store(const float (&values)[kWidth], T* to) {
  Pack<T, kWidth> pack;
  for (int lane = 0; lane < kWidth; ++lane) round_to(values[lane], pack.values[lane]);
  *reinterpret_cast<Pack<T, kWidth>*>(to) = pack;
}

}  // namespace sdlora::model::kernels::cuda
