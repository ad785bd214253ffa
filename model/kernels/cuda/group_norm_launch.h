// Launches of the group normalisation kernels, over plain device pointers. x, y, dy and dx are [batch, rows,
// channels] without gaps: a tensor [B, C, h, w] in channels-last order, rows = h·w. Everything of type `type`
// but the statistics and sums, which are fp32.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "model/kernels/cuda/element_type.h"

namespace sdlora::model::kernels::cuda {

struct GroupNormShape {
  int batch;
  int rows;
  int channels;
  int groups;  // divides channels
};

struct GroupNormForward {
  GroupNormShape shape;
  ElementType type;
  bool then_silu;
  float eps;
  const void* x;
  const void* weight;  // [channels]
  const void* bias;    // [channels]
  void* y;
  float* mean;     // [batch, groups]
  float* rstd;     // [batch, groups]: 1 / √(variance + eps)
  float* partial;  // room for group_norm_partial_count(shape) values
};

struct GroupNormBackward {
  GroupNormShape shape;
  ElementType type;
  bool then_silu;
  const void* x;
  const void* weight;
  const void* bias;
  const float* mean;  // as the forward left them
  const float* rstd;
  const void* dy;
  void* dx;
  float* sums;     // [2, batch, groups], scratch
  float* partial;  // as in the forward
};

// fp32 values of scratch memory.
int64_t group_norm_partial_count(const GroupNormShape& shape);

// False for shapes that the kernels' 32-bit indices cannot count.
bool group_norm_fits(const GroupNormShape& shape);

// Queue the work on `stream` and return whether it could be queued.
cudaError_t launch(const GroupNormForward& forward, cudaStream_t stream);
cudaError_t launch(const GroupNormBackward& backward, cudaStream_t stream);

}  // namespace sdlora::model::kernels::cuda
