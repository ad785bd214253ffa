// Sums the gradients and losses of all micro-batches of a step, over this rank's and over all ranks'.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "trainer/options/compute_options.h"

namespace sdlora::trainer {

// What a step learns from all ranks at once.
struct ReducedStep {
  at::Tensor gradients;          // [P] f32: the mean over the global batch
  double loss;                   // mean over the global batch
  int64_t nonfinite_loss_count;  // micro-batches
  bool is_finite;                // every loss and every gradient
  bool stop_was_requested;       // by a signal, on any rank
};

class GradientReducer {
 public:
  virtual ~GradientReducer() = default;

  virtual void reset() = 0;

  // gradients [P] f32 and loss [] f32 of one micro-batch: means over its samples. The result, [] bool, is on
  // their device, so that a GPU is not waited for: false when one of them is not finite, or too large for the
  // sum. Such a step will be skipped.
  virtual at::Tensor add(const at::Tensor& gradients, const at::Tensor& loss) = 0;

  // This rank was asked to stop.
  virtual void request_stop() = 0;

  // (all ranks) Every rank gets the same result, which depends on reduced values only.
  virtual ReducedStep reduce(comm::Communicator& world, int64_t micro_batch_count) = 0;
};

// exact: the same bytes for any order and grouping (comm/exact_sum.h).
std::unique_ptr<GradientReducer> make_exact_reducer(int64_t parameter_count, at::Device device);

// fp32: the plain sum, a quarter of the bytes; the result depends on the number of ranks in the last bits.
std::unique_ptr<GradientReducer> make_plain_reducer(int64_t parameter_count, at::Device device);

std::unique_ptr<GradientReducer> make_reducer(Reduction reduction, int64_t parameter_count,
                                              at::Device device);

}  // namespace sdlora::trainer
