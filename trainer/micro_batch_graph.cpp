#include "trainer/micro_batch_graph.h"

#include <optional>

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

constexpr int kWarmUpCount = 3;

c10::cuda::CUDAStream stream_for(at::Device device) {
  if (!device.is_cuda())
    throw Error(ExitCode::kMismatch, Problem{.what = "--cuda-graph needs a GPU",
                                             .expected = "--device cuda",
                                             .seen = "computing on the CPU",
                                             .advice = "leave --cuda-graph out"});
  c10::cuda::device_synchronize();  // what was begun on the default stream
  return c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index());
}

// Ends on every way out, or the thread would go on recording.
class Capture {
 public:
  explicit Capture(at::cuda::CUDAGraph& graph) : graph_(graph) {
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();  // the recording has memory of its own
    // Other threads may go on: the metrics endpoint asks for the memory that is free.
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
  recording_->stream.current_stream().synchronize();  // a graph that runs must not be destroyed
}

void MicroBatchGraph::take_in(const MicroBatch& batch) {
  MicroBatch& inputs = recording_->inputs;
  if (!inputs.latents.defined()) {
    inputs = batch;
    for (at::Tensor* input : {&inputs.latents, &inputs.noise, &inputs.timesteps, &inputs.captions})
      *input = input->clone();
    return;
  }
  inputs.latents.copy_(batch.latents);
  inputs.noise.copy_(batch.noise);
  inputs.timesteps.copy_(batch.timesteps);
  inputs.captions.copy_(batch.captions);
}

MicroBatchResult MicroBatchGraph::run(const MicroBatch& batch, double constant, const Compute& compute) {
  Recording& recording = *recording_;
  take_in(batch);
  if (recording.warm_up_count < kWarmUpCount) {
    ++recording.warm_up_count;
    return compute(recording.inputs);
  }
  if (!recording.graph || recording.constant != constant) {
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
