// Attention of one head in blocks that stay in the cache, so that the N × M scores are never in memory (Dao
// et al. 2022, FlashAttention; Milakov and Gimelshein 2018 for the running softmax). Compiled once for each
// kind of vectors; sees no other header's code but what is inlined, so that no function of another file is
// compiled for the wider CPU.
#pragma once

#include <cstdint>

#include "model/kernels/bfloat16_bits.h"

namespace sdlora::model::kernels {

// One head: rows of `channels` numbers, `…_stride` numbers apart. Number: float, or BFloat16Bits.
template <typename Number>
struct AttentionHead {
  int64_t queries, keys, channels;
  const Number *q, *k, *v;
  int64_t q_stride, kv_stride;
  float scale;  // of the scores q kᵀ
};

template <typename Number>
struct AttentionGradients {
  const Number* out;  // the forward's result
  const Number* dout;
  const float* log_sums;  // [queries] of the forward
  Number *dq, *dk, *dv;   // strides as q and k, v of the head
  int64_t out_stride, dout_stride, dq_stride, dkv_stride;
};

template <typename Number>
struct AttentionTile {
  // Floats of scratch that forward and backward want for this head.
  int64_t (*scratch_floats)(const AttentionHead<Number>& head);

  // out [queries, channels]; log_sums [queries]: log₂ Σ exp(scores), for the backward
  void (*forward)(const AttentionHead<Number>& head, Number* out, int64_t out_stride, float* log_sums,
                  float* scratch);

  void (*backward)(const AttentionHead<Number>& head, const AttentionGradients<Number>& gradients,
                   float* scratch);
};

AttentionTile<float> attention_tile_of_8_lanes();          // AVX2 and FMA
AttentionTile<float> attention_tile_of_16_lanes();         // AVX-512
AttentionTile<BFloat16Bits> attention_tile_of_bfloat16();  // AVX-512 with BF16: 16 sums of 2 products at once
AttentionTile<BFloat16Bits> attention_tile_of_amx();       // AMX: 16 × 16 sums of 32 products at once

}  // namespace sdlora::model::kernels
