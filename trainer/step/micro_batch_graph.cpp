#include "trainer/step/micro_batch_graph.h"

#include <optional>

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace sdlora::trainer {
namespace {

constexpr int kWarmUpCount = 3;

c10::cuda::CUDAStream stream_for(at::Device device) {
  TORCH_CHECK(device.is_cuda(), "a CUDA graph needs a GPU");
  c10::cuda::device_synchronize();  // what was begun on the default stream
  return c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index());
}

// Ends on every way out, or the thread would go on recording.
class Capture {
 public:
  explicit Capture(at::cuda::CUDAGraph& graph) : graph_(graph) {
    c10::cuda::CUDACachingAllocator::emptyCache();  // the recording has memory of its own
    // What other threads do to the device is no matter of this recording.
    graph_.capture_begin(/*pool=*/{0, 0}, cudaStreamCaptureModeThreadLocal);
  }

  ~Capture() {
    if (is_ended_) return;
    try {
      graph_.capture_end();
    } catch (const c10::Error&) {  // the first error is on its way
    }
  }

  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  void end() {
    is_ended_ = true;
    graph_.capture_end();
  }

 private:
  at::cuda::CUDAGraph& graph_;
  bool is_ended_ = false;
};

}  // namespace

struct MicroBatchGraph::Recording {
  explicit Recording(at::Device device) : stream(stream_for(device)) {}

  c10::cuda::CUDAStreamGuard stream;
  int warm_up_count = 0;
  MicroBatch inputs;  // what the graph reads
  double constant = 0;
  std::optional<at::cuda::CUDAGraph> graph;
  MicroBatchResult outputs;  // what it writes
};

MicroBatchGraph::MicroBatchGraph(at::Device device) : recording_(std::make_unique<Recording>(device)) {}

MicroBatchGraph::~MicroBatchGraph() {
  try {
    recording_->stream.current_stream().synchronize();  // a graph that runs must not be destroyed
  } catch (const c10::Error&) {  // the GPU has failed, and whoever noticed it first has said so
  }
}

void MicroBatchGraph::take_in(const MicroBatch& batch) {
  MicroBatch& inputs = recording_->inputs;
  for (at::Tensor MicroBatch::*input :
       {&MicroBatch::latents, &MicroBatch::noise, &MicroBatch::timesteps, &MicroBatch::text_embeddings,
        &MicroBatch::token_ids, &MicroBatch::masks, &MicroBatch::loss_weights, &MicroBatch::added_noise,
        &MicroBatch::huber_c}) {
    at::Tensor& kept = inputs.*input;
    const at::Tensor& given = batch.*input;
    if (!given.defined()) continue;  // in no micro-batch of the run
    if (!kept.defined()) kept = at::empty_like(given);
    TORCH_CHECK(kept.sizes() == given.sizes(), "a micro-batch of another shape than the graph's");
    kept.copy_(given);
  }
}

MicroBatchResult MicroBatchGraph::run(const MicroBatch& batch, double constant, const Compute& compute) {
  Recording& recording = *recording_;
  take_in(batch);
  if (recording.warm_up_count < kWarmUpCount) {
    ++recording.warm_up_count;
    return compute(recording.inputs);
  }
  if (!recording.graph || recording.constant != constant) {
    c10::cuda::device_synchronize();  // a graph that runs must not be destroyed
    recording.outputs = {};
    Capture capture(recording.graph.emplace());
    recording.outputs = compute(recording.inputs);
    capture.end();
    recording.constant = constant;
  }
  recording.graph->replay();
  // The next replay writes over what this one has found.
  return {.prediction = recording.outputs.prediction.clone(),
          .sample_losses = recording.outputs.sample_losses.clone(),
          .is_usable = recording.outputs.is_usable.clone()};
}

}  // namespace sdlora::trainer
