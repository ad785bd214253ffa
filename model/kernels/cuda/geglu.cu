#include "model/kernels/cuda/geglu_launch.h"
#include "model/kernels/cuda/geglu_threads.h"

namespace sdlora::model::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// One for each kWidth channels of the result.
template <int kWidth>
__host__ __device__ unsigned thread_count(const GegluShape& shape) {
  return static_cast<unsigned>(shape.rows) * static_cast<unsigned>(shape.channels / kWidth);
}

template <int kWidth>
unsigned block_count(const GegluShape& shape) {
  return (thread_count<kWidth>(shape) + kThreads - 1) / kThreads;
}

template <typename T, int kWidth>
__global__ void gate(GegluShape shape, const T* x, T* y) {
  const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
  if (thread < thread_count<kWidth>(shape)) gate_row<T, kWidth>(shape, x, y, thread);
}

template <typename T, int kWidth>
__global__ void differentiate(GegluShape shape, const T* x, const T* dy, T* dx) {
  const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
  if (thread < thread_count<kWidth>(shape)) differentiate_row<T, kWidth>(shape, x, dy, dx, thread);
}

}  // namespace

bool geglu_fits(const GegluShape& shape) {
  constexpr int64_t kMaxThreads = int64_t{1} << 31;
  return shape.rows * shape.channels < kMaxThreads;
}

cudaError_t launch(const GegluForward& f, cudaStream_t stream) {
  return with_widest_pack(f.type, f.shape.channels, {f.x, f.y}, [&]<typename T, int kWidth>() {
    gate<T, kWidth><<<block_count<kWidth>(f.shape), kThreads, 0, stream>>>(
        f.shape, static_cast<const T*>(f.x), static_cast<T*>(f.y));
    return cudaGetLastError();
  });
}

cudaError_t launch(const GegluBackward& b, cudaStream_t stream) {
  return with_widest_pack(b.type, b.shape.channels, {b.x, b.dy, b.dx}, [&]<typename T, int kWidth>() {
    differentiate<T, kWidth><<<block_count<kWidth>(b.shape), kThreads, 0, stream>>>(
        b.shape, static_cast<const T*>(b.x), static_cast<const T*>(b.dy), static_cast<T*>(b.dx));
    return cudaGetLastError();
  });
}

}  // namespace sdlora::model::kernels::cuda
