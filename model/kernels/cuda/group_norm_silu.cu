#include "model/kernels/cuda/group_norm_backward.h"
#include "model/kernels/cuda/group_norm_forward.h"
#include "model/kernels/cuda/group_norm_launch.h"

namespace sdlora::model::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__device__ unsigned thread_number() {
  return blockIdx.x * blockDim.x + threadIdx.x;
}

unsigned block_count(unsigned thread_count) {
  return (thread_count + kThreads - 1) / kThreads;
}

// One for each kWidth channels of each strip.
template <int kWidth>
__host__ __device__ unsigned thread_count(const GroupNormShape& shape, int strip_rows) {
  return static_cast<unsigned>(shape.batch) * static_cast<unsigned>(strip_count(shape, strip_rows)) *
         static_cast<unsigned>(shape.channels / kWidth);
}

// What the threads of a block have, merged in a fixed order; valid in thread 0.
template <typename Sums>
__device__ Sums merged_in_block(const Sums& own) {
  // One a thread: raw memory, since shared variables have no constructors.
  __shared__ alignas(Sums) unsigned char memory[kMergeThreads * sizeof(Sums)];
  Sums* const all = reinterpret_cast<Sums*>(memory);
  const unsigned thread = threadIdx.x;
  all[thread] = own;
  __syncthreads();
  for (unsigned half = kMergeThreads / 2; half > 0; half /= 2) {
    if (thread < half) all[thread] = merged(all[thread], all[thread + half]);
    __syncthreads();
  }
  return all[0];
}

template <typename T, int kWidth>
__global__ void measure(GroupNormShape shape, const T* x, float* partial) {
  const unsigned thread = thread_number();
  if (thread < thread_count<kWidth>(shape, kSummedRows)) measure_strip<T, kWidth>(shape, x, partial, thread);
}

__global__ void merge_into_statistics(GroupNormShape shape, const float* partial, float eps, float* mean,
                                      float* rstd) {
  const auto group = static_cast<int>(blockIdx.x);
  const Moments all = merged_in_block(merge_moments(shape, partial, group, static_cast<int>(threadIdx.x)));
  if (threadIdx.x != 0) return;
  mean[group] = all.mean;
  rstd[group] = rstd_of(all, eps);
}

template <typename T, int kWidth, bool kThenSilu>
__global__ void normalize(GroupNormShape shape, const T* x, const float* mean, const float* rstd,
                          const T* weight, const T* bias, T* y) {
  const unsigned thread = thread_number();
  if (thread < thread_count<kWidth>(shape, kComputedRows))
    normalize_strip<T, kWidth, kThenSilu>(shape, x, mean, rstd, weight, bias, y, thread);
}

template <typename T, int kWidth, bool kThenSilu>
__global__ void sum_gradients(GroupNormShape shape, const T* x, const float* mean, const float* rstd,
                              const T* weight, const T* bias, const T* dy, float* partial) {
  const unsigned thread = thread_number();
  if (thread < thread_count<kWidth>(shape, kSummedRows))
    sum_gradient_strip<T, kWidth, kThenSilu>(shape, x, mean, rstd, weight, bias, dy, partial, thread);
}

__global__ void merge_into_means(GroupNormShape shape, const float* partial, float* means_of_g,
                                 float* means_of_g_x_hat) {
  const auto group = static_cast<int>(blockIdx.x);
  const GradientSums all =
      merged_in_block(merge_gradients(shape, partial, group, static_cast<int>(threadIdx.x)));
  if (threadIdx.x != 0) return;
  means_of_g[group] = all.g / values_of_group(shape);
  means_of_g_x_hat[group] = all.g_x_hat / values_of_group(shape);
}

template <typename T, int kWidth, bool kThenSilu>
__global__ void differentiate(GroupNormShape shape, const T* x, const float* mean, const float* rstd,
                              const T* weight, const T* bias, const T* dy, const float* means_of_g,
                              const float* means_of_g_x_hat, T* dx) {
  const unsigned thread = thread_number();
  if (thread < thread_count<kWidth>(shape, kComputedRows))
    differentiate_strip<T, kWidth, kThenSilu>(shape, x, mean, rstd, weight, bias, dy, means_of_g,
                                              means_of_g_x_hat, dx, thread);
}

template <typename T, int kWidth, bool kThenSilu>
cudaError_t run(const GroupNormForward& f, cudaStream_t stream) {
  const GroupNormShape& shape = f.shape;
  const auto* x = static_cast<const T*>(f.x);
  const auto *weight = static_cast<const T*>(f.weight), *bias = static_cast<const T*>(f.bias);
  measure<T, kWidth>
      <<<block_count(thread_count<kWidth>(shape, kSummedRows)), kThreads, 0, stream>>>(shape, x, f.partial);
  merge_into_statistics<<<shape.batch * shape.groups, kMergeThreads, 0, stream>>>(shape, f.partial, f.eps,
                                                                                  f.mean, f.rstd);
  normalize<T, kWidth, kThenSilu>
      <<<block_count(thread_count<kWidth>(shape, kComputedRows)), kThreads, 0, stream>>>(
          shape, x, f.mean, f.rstd, weight, bias, static_cast<T*>(f.y));
  return cudaGetLastError();
}

template <typename T, int kWidth, bool kThenSilu>
cudaError_t run(const GroupNormBackward& b, cudaStream_t stream) {
  const GroupNormShape& shape = b.shape;
  const auto *x = static_cast<const T*>(b.x), *dy = static_cast<const T*>(b.dy);
  const auto *weight = static_cast<const T*>(b.weight), *bias = static_cast<const T*>(b.bias);
  float *means_of_g = b.sums, *means_of_g_x_hat = b.sums + shape.batch * shape.groups;
  sum_gradients<T, kWidth, kThenSilu>
      <<<block_count(thread_count<kWidth>(shape, kSummedRows)), kThreads, 0, stream>>>(
          shape, x, b.mean, b.rstd, weight, bias, dy, b.partial);
  merge_into_means<<<shape.batch * shape.groups, kMergeThreads, 0, stream>>>(shape, b.partial, means_of_g,
                                                                             means_of_g_x_hat);
  differentiate<T, kWidth, kThenSilu>
      <<<block_count(thread_count<kWidth>(shape, kComputedRows)), kThreads, 0, stream>>>(
          shape, x, b.mean, b.rstd, weight, bias, dy, means_of_g, means_of_g_x_hat, static_cast<T*>(b.dx));
  return cudaGetLastError();
}

}  // namespace

int64_t group_norm_partial_count(const GroupNormShape& shape) {
  return 2 * partial_half(shape);
}

bool group_norm_fits(const GroupNormShape& shape) {
  constexpr int64_t kMaxThreads = int64_t{1} << 31;
  return int64_t{shape.batch} * strip_count(shape, kComputedRows) * shape.channels < kMaxThreads;
}

cudaError_t launch(const GroupNormForward& f, cudaStream_t stream) {
  return with_widest_pack(
      f.type, f.shape.channels, {f.x, f.weight, f.bias, f.y}, [&]<typename T, int kWidth>() {
        return f.then_silu ? run<T, kWidth, true>(f, stream) : run<T, kWidth, false>(f, stream);
      });
}

cudaError_t launch(const GroupNormBackward& b, cudaStream_t stream) {
  return with_widest_pack(
      b.type, b.shape.channels, {b.x, b.weight, b.bias, b.dy, b.dx}, [&]<typename T, int kWidth>() {
        return b.then_silu ? run<T, kWidth, true>(b, stream) : run<T, kWidth, false>(b, stream);
      });
}

}  // namespace sdlora::model::kernels::cuda
