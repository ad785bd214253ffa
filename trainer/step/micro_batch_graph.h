// A micro-batch's work as a CUDA graph (--cuda-graph): recorded once, then replayed with other inputs, so
// that the host starts one graph where it started some two thousand kernels. Not run on a GPU yet.
#pragma once

#include <functional>
#include <memory>

#include <ATen/core/Tensor.h>

#include "trainer/batches/micro_batch.h"

namespace sdlora::trainer {

// What is computed of a micro-batch, besides its share of the gradients: all of it on the device.
struct MicroBatchResult {
  at::Tensor prediction;     // [B, 4, h, w]
  at::Tensor sample_losses;  // [B] f32
  at::Tensor is_usable;      // [] bool: what the reducer said
};

class MicroBatchGraph {
 public:
  // Must not wait for the GPU, and must find everything but its inputs where it was the last time.
  using Compute = std::function<MicroBatchResult(const MicroBatch&)>;

  // From here on, until it is destroyed, this thread works on a stream of its own: none can be recorded on
  // the default stream. `device` is a GPU.
  explicit MicroBatchGraph(at::Device device);
  ~MicroBatchGraph();

  MicroBatchGraph(const MicroBatchGraph&) = delete;
  MicroBatchGraph& operator=(const MicroBatchGraph&) = delete;

  // compute(batch), for the first few times as it is, for cuBLAS, cuDNN and the allocator to make their
  // choices; then recorded and replayed. `constant` is the number that the recording has taken in: when it
  // changes, it is recorded anew. All batches must have the same shape.
  MicroBatchResult run(const MicroBatch& batch, double constant, const Compute& compute);

 private:
  struct Recording;

  void take_in(const MicroBatch& batch);

  std::unique_ptr<Recording> recording_;
};

}  // namespace sdlora::trainer
