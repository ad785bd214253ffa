// Records every step's inputs and results, enough to replay a run in another framework:
//
//   adapter-init.safetensors               A and B before the first step, as in lora_weights.pt (rank 0)
//   step-000001.sample-000000.safetensors  one a slot of the global batch: see sample_file.h (its rank)
//   step.jsonl                             loss, gradient norm before clipping, learning rate (rank 0)
#pragma once

#include <filesystem>

#include "checkpoint/named_tensors.h"
#include "trainer/batches/micro_batch.h"

namespace sdlora::trainer {

class Trace {
 public:
  // An empty directory name records nothing. Throws Error(kIo).
  explicit Trace(std::filesystem::path directory);

  bool is_on() const { return !directory_.empty(); }

  void record_adapter(const checkpoint::NamedTensors& adapter) const;

  // `step` counts from 1, as in the files' names. prediction [B, 4, h, w]
  void record_samples(int64_t step, const MicroBatch& batch, const at::Tensor& prediction) const;

  void record_step(int64_t step, double loss, double gradient_norm, double learning_rate,
                   bool is_skipped) const;

 private:
  std::filesystem::path directory_;
};

}  // namespace sdlora::trainer
