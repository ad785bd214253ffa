// The inputs of a step that was not finite, kept so that `trainer --replay` can show it again:
//
//   OUTPUT/nonfinite-step-000123/
//     adapter.safetensors                    A and B as they were in that step
//     step-000123.sample-000003.safetensors  one a suspected sample: see sample_file.h
//     step.json                              the rest; written last
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "lora/adapter.h"
#include "model/loading/map_size.h"
#include "model/noise/noise_wish.h"
#include "trainer/batches/micro_batch.h"
#include "trainer/options/compute_options.h"
#include "trainer/options/loss_options.h"

namespace sdlora::trainer {

// One micro-batch whose loss or gradient is not finite, or too large for the exact sum.
struct NonfiniteMicroBatch {
  MicroBatch batch;
  at::Tensor prediction;      // [B, 4, h, w]
  at::Tensor sample_losses;   // [B] f32
  bool has_finite_gradients;  // of the whole micro-batch

  // The rows whose own loss is not finite; all of them when only the gradient is not.
  std::vector<size_t> suspects() const;

  bool is_finite() const;
};

// Which micro-batches of a step are not finite.
class NonfiniteSearch {
 public:
  // asks_at_once: keeps only what is not usable, as on a CPU, whose answers are known. Else every micro-batch
  // is kept until found(), so that a GPU is waited for only once.
  explicit NonfiniteSearch(bool asks_at_once) : asks_at_once_(asks_at_once) {}

  // prediction [B, 4, h, w], sample_losses [B] f32, gradients [P] f32 of their mean, which may change
  // afterwards; is_usable [] bool: what the reducer said of them.
  void add(const MicroBatch& batch, const at::Tensor& prediction, const at::Tensor& sample_losses,
           const at::Tensor& gradients, const at::Tensor& is_usable);

  // Waits for the device.
  std::vector<NonfiniteMicroBatch> found() const;

 private:
  struct Candidate {
    MicroBatch batch;
    at::Tensor prediction, sample_losses, are_gradients_finite, is_usable;
  };

  bool asks_at_once_;
  std::vector<Candidate> candidates_;
};

struct NonfiniteSample {
  int64_t slot;  // in the global batch
  int rank;      // that computed it
  int64_t sample_index;
  std::string source;         // the picture's name
  std::string text;           // that it was trained with
  int64_t micro_batch;        // its first slot
  std::string loss;           // "nan", "inf" or a number: JSON has no NaN
  bool has_finite_gradients;  // its micro-batch
};

struct NonfiniteRecord {
  int64_t step;  // counted from 1
  std::filesystem::path model;
  std::string model_hash;  // SHA-256 of the UNet
  lora::LoraConfig lora;
  std::string text_encoder_hash = {};  // SHA-256, where it is trained; and how it reads
  model::ClipReading reading = {};
  model::NoiseWish schedule;
  LossKind loss;
  model::MixedPrecision mixed_precision;
  Reduction reduction;
  model::kernels::CpuKernelWish cpu_kernels;
  int64_t cpu_threads;
  int64_t micro_batch_size;  // a sample's part of its micro-batch's mean loss is one in so many
  double loss_scale;
  model::MapSize expected_latents = {};  // by which the kernels were chosen; zeros: those of the first sample
  std::vector<NonfiniteSample> samples;
};

// "nan", "inf", "-inf" or the number.
std::string loss_text(double loss);

// (all ranks) Every rank writes its suspects, rank 0 the adapter and step.json with the samples of all.
// `record.samples` is filled in. What cannot be written is a warning: the run goes on.
void write_nonfinite_record(const std::filesystem::path& directory, NonfiniteRecord record,
                            const std::vector<NonfiniteMicroBatch>& own, const lora::Adapter& adapter,
                            comm::Communicator& world);

// Throws Error(kUsage) when there is no such record, Error(kBadData) when it is not readable.
NonfiniteRecord read_nonfinite_record(const std::filesystem::path& directory);

}  // namespace sdlora::trainer
