// Launches of the GEGLU kernels, over plain device pointers without gaps, all of type `type`.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "model/kernels/cuda/element_type.h"

namespace sdlora::model::kernels::cuda {

struct GegluShape {
  int64_t rows;
  int channels;  // of the result
};

struct GegluForward {
  GegluShape shape;
  ElementType type;
  const void* x;  // [rows, 2 channels]: value, gate
  void* y;        // [rows, channels]
};

struct GegluBackward {
  GegluShape shape;
  ElementType type;
  const void* x;
  const void* dy;  // [rows, channels]
  void* dx;        // [rows, 2 channels]
};

// False for shapes that the kernels' 32-bit indices cannot count.
bool geglu_fits(const GegluShape& shape);

// Queue the work on `stream` and return whether it could be queued.
cudaError_t launch(const GegluForward& forward, cudaStream_t stream);
cudaError_t launch(const GegluBackward& backward, cudaStream_t stream);

}  // namespace sdlora::model::kernels::cuda
