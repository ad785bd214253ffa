// One sample of a step as a file, for another framework or another time:
//
//   sample_index [] i64, latents [4, h, w] f32 (scaled, before noise), noise [4, h, w] f32, timestep [] i64,
//   encoder_hidden_states [L, C] f32, or where the text encoder is trained input_ids [L] i64,
//   prediction [4, h, w]
//
// and where they count mask [1, h, w] f32, weights of the cells; loss_weight [] f32, the sample's
// (prior-loss-weight times those of its timestep); added_noise [4, h, w] f32, what the latents are corrupted
// with; huber_c [] f32; dropout_seed [] i64. Metadata: source, the picture's name; text, that of the
// embedding.
#pragma once

#include <filesystem>

#include "trainer/batches/micro_batch.h"

namespace sdlora::trainer {

// "step-000001.sample-000000.safetensors". `step` counts from 1, `slot` from 0.
std::string sample_file_name(int64_t step, int64_t slot);

// Row `row` of the batch; prediction [B, 4, h, w]. Throws Error(kIo).
void write_sample_file(const std::filesystem::path& file, const MicroBatch& batch, size_t row,
                       const at::Tensor& prediction);

// A batch of that one sample on the device, with slot 0. Throws Error(kBadData) naming the file.
MicroBatch read_sample_file(const std::filesystem::path& file, at::Device device);

}  // namespace sdlora::trainer
