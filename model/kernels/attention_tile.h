// Attention of one head in blocks that stay in the cache, so that the N × M scores are never in memory (Dao
// et al. 2022, FlashAttention; Milakov and Gimelshein 2018 for the running softmax). Compiled once for each
// width of vectors; sees no other header's code, so that no function of another file is compiled for the
// wider CPU.
#pragma once

#include <cstdint>

namespace sdlora::model::kernels {

// One head: rows of `channels` numbers, `…_stride` floats apart.
struct AttentionHead {
  int64_t queries, keys, channels;
  const float *q, *k, *v;
  int64_t q_stride, kv_stride;
  float scale;  // of the scores q kᵀ
};

struct AttentionGradients {
  const float* out;  // the forward's result
  const float* dout;
  const float* log_sums;  // [queries] of the forward
  float *dq, *dk, *dv;    // strides as q and k, v of the head
  int64_t out_stride, dout_stride, dq_stride, dkv_stride;
};

// The same functions for vectors of 8 (AVX2, FMA) and of 16 (AVX-512) floats.
struct AttentionTile {
  // Floats of scratch that forward and backward want for this head.
  int64_t (*scratch_floats)(const AttentionHead& head);

  // out [queries, channels]; log_sums [queries]: log₂ Σ exp(scores), for the backward
  void (*forward)(const AttentionHead& head, float* out, int64_t out_stride, float* log_sums, float* scratch);

  void (*backward)(const AttentionHead& head, const AttentionGradients& gradients, float* scratch);
};

AttentionTile attention_tile_of_8_lanes();
AttentionTile attention_tile_of_16_lanes();

}  // namespace sdlora::model::kernels
