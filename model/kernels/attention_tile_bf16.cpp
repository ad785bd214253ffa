#include <immintrin.h>

#include "model/kernels/attention_tile.h"
#include "model/kernels/bfloat16_bits.h"

// The products take bfloat16 and add in fp32, as does the softmax; P and dS are rounded to bfloat16 for the
// products that follow, as in PyTorch's fused attention.
namespace sdlora::model::kernels {
namespace {

using Pair = uint32_t;   // two numbers, the first one low
using Pairs = __m512bh;  // 16 pairs

constexpr int64_t kPanel = 64;  // columns of the widest tile

#include "model/kernels/attention_blocks.inc"
#include "model/kernels/bfloat16_vectors.inc"

Pair pair_of(Bits first, Bits second) {
  return first | static_cast<Pair>(second) << 16;
}

#include "model/kernels/bfloat16_product.inc"

void store_bits(Bits* place, Vector values) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(place),
                      reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
}

// Two rows side by side, as a product whose depth they are wants them.
void store_pairs(Pair* place, Vector first, Vector second) {
  _mm512_storeu_si512(place, interleaved(reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first))));
}

// rows [count, channels] → [padded_count, width], the rest 0
void copy_rows(Bits* to, int64_t width, const Bits* rows, int64_t stride, int64_t count, int64_t padded_count,
               int64_t channels) {
  for (int64_t i = 0; i < padded_count; ++i)
    for (int64_t c = 0; c < width; ++c)
      to[i * width + c] = i < count && c < channels ? rows[i * stride + c] : Bits{0};
}

// rows [count, channels] → transposed [channels, kQueryBlock], the rest 0
void copy_transposed(Bits* to, const Bits* rows, int64_t stride, int64_t count, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < kQueryBlock; ++i)
      to[c * kQueryBlock + i] = i < count ? rows[i * stride + c] : Bits{0};
}

// rows [count, channels] → panels [padded_count / kPanel, channels / 2, kPanel, 2], the rest 0
void copy_panels(Pair* panels, const Bits* rows, int64_t stride, int64_t count, int64_t padded_count,
                 int64_t channels) {
  for (int64_t first = 0; first < padded_count; first += kPanel)
    for (int64_t c = 0; c < channels; c += 2)
      for (int64_t i = first; i < first + kPanel; ++i) {
        const Bits* const row = rows + i * stride + c;
        *panels++ = i < count ? pair_of(row[0], c + 1 < channels ? row[1] : Bits{0}) : 0;
      }
}

// rows [count, channels] → pairs of rows [padded_count / 2, width, 2], the rest 0
void copy_row_pairs(Pair* pairs, int64_t width, const Bits* rows, int64_t stride, int64_t count,
                    int64_t padded_count, int64_t channels) {
  for (int64_t i = 0; i < padded_count; i += 2)
    for (int64_t c = 0; c < width; ++c) {
      const auto at = [&](int64_t row) {
        return row < count && c < channels ? rows[row * stride + c] : Bits{0};
      };
      *pairs++ = pair_of(at(i), at(i + 1));
    }
}

// One row of scores becomes the bits of 2^(factor · scores − greatest); returns their sum before rounding.
float exponentiate(Bits* p, const float* scores, int64_t columns, float factor, float greatest) {
  Vector sums = _mm512_setzero_ps();
  for (int64_t column = 0; column < columns; column += kLanes) {
    const Vector x =
        _mm512_fmsub_ps(_mm512_loadu_ps(scores + column), _mm512_set1_ps(factor), _mm512_set1_ps(greatest));
    const Vector power = power_of_two(x);
    sums = _mm512_add_ps(sums, power);
    store_bits(p + column, power);
  }
  return _mm512_reduce_add_ps(sums);
}

float greatest_of(const float* scores, int64_t columns) {
  Vector greatest = _mm512_set1_ps(kMasked);
  for (int64_t column = 0; column < columns; column += kLanes)
    greatest = _mm512_max_ps(_mm512_loadu_ps(scores + column), greatest);  // the second where one is NaN
  return _mm512_reduce_max_ps(greatest);
}

// How a head is laid out: counts rounded up to what the tiles want.
struct Layout {
  int64_t channels, pairs, width;  // of a row; in pairs; up to whole vectors
  int64_t keys, panel_keys;        // up to whole vectors; up to whole panels

  explicit Layout(const AttentionHead<Bits>& head)
      : channels(head.channels),
        pairs((head.channels + 1) / 2),
        width(round_up(head.channels, kLanes)),
        keys(round_up(head.keys, kLanes)),
        panel_keys(round_up(head.keys, kPanel)) {}

  int64_t panel_stride() const { return pairs * kPanel; }

  // First pair of the panel that begins with this key, a multiple of kPanel.
  int64_t panel_of(int64_t key) const { return key * pairs; }
};

int64_t scratch_floats(const AttentionHead<Bits>& head) {
  const Layout layout(head);
  return 2 * Scratch::floats<Pair>(layout.panel_keys * layout.pairs) +
         Scratch::floats<Pair>(layout.panel_keys / 2 * layout.width) +
         2 * Scratch::floats<float>(layout.channels * layout.panel_keys) +
         2 * Scratch::floats<Bits>(kQueryBlock * 2 * layout.pairs) +
         2 * Scratch::floats<Bits>(layout.channels * kQueryBlock) +
         Scratch::floats<float>(kQueryBlock * layout.width) +
         2 * Scratch::floats<float>(kQueryBlock * kKeyBlock) +
         Scratch::floats<Bits>(kQueryBlock * kKeyBlock) +
         2 * Scratch::floats<Pair>(kQueryBlock / 2 * kKeyBlock) + 2 * Scratch::floats<float>(kQueryBlock);
}

void forward(const AttentionHead<Bits>& head, Bits* out, int64_t out_stride, float* log_sums,
             float* scratch_memory) {
  const Layout layout(head);
  Scratch scratch(scratch_memory);
  Pair* const key_panels = scratch.take<Pair>(layout.panel_keys * layout.pairs);
  Pair* const value_pairs = scratch.take<Pair>(layout.panel_keys / 2 * layout.width);
  Bits* const query_rows = scratch.take<Bits>(kQueryBlock * 2 * layout.pairs);
  float* const sums = scratch.take<float>(kQueryBlock * layout.width);
  float* const scores = scratch.take<float>(kQueryBlock * kKeyBlock);
  Bits* const p = scratch.take<Bits>(kQueryBlock * kKeyBlock);
  float* const greatest = scratch.take<float>(kQueryBlock);
  float* const total = scratch.take<float>(kQueryBlock);
  const float factor = head.scale * kLog2OfE;
  copy_panels(key_panels, head.k, head.kv_stride, head.keys, layout.panel_keys, layout.channels);
  copy_row_pairs(value_pairs, layout.width, head.v, head.kv_stride, head.keys, layout.keys, layout.channels);

  for (int64_t first = 0; first < head.queries; first += kQueryBlock) {
    const int64_t rows = smaller(kQueryBlock, head.queries - first);
    copy_rows(query_rows, 2 * layout.pairs, head.q + first * head.q_stride, head.q_stride, rows, rows,
              layout.channels);
    clear(sums, rows * layout.width);
    for (int64_t row = 0; row < rows; ++row) {
      greatest[row] = kMasked;
      total[row] = 0;
    }
    for (int64_t key = 0; key < layout.keys; key += kKeyBlock) {
      const int64_t columns = smaller(kKeyBlock, layout.keys - key);
      multiply<false>(scores, kKeyBlock, {query_rows, 2 * layout.pairs}, key_panels + layout.panel_of(key),
                      kPanel, layout.panel_stride(), rows, columns, layout.pairs);
      if (key + columns > head.keys) mask(scores, rows, head.keys - key, columns);
      for (int64_t row = 0; row < rows; ++row) {
        const float* const row_scores = scores + row * kKeyBlock;
        const float before = greatest[row], here = greatest_of(row_scores, columns) * factor;
        greatest[row] = here > before ? here : before;
        const float shrink = _mm512_cvtss_f32(power_of_two(_mm512_set1_ps(before - greatest[row])));
        total[row] = total[row] * shrink +
                     exponentiate(p + row * kKeyBlock, row_scores, columns, factor, greatest[row]);
        for (int64_t c = 0; c < layout.width; ++c) sums[row * layout.width + c] *= shrink;
      }
      multiply<true>(sums, layout.width, {p, kKeyBlock}, value_pairs + key / 2 * layout.width, layout.width,
                     kPanel, rows, layout.width, columns / 2);
    }
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = 0; c < layout.channels; ++c)
        out[(first + row) * out_stride + c] = to_bfloat16_bits(sums[row * layout.width + c] / total[row]);
      log_sums[first + row] = greatest[row] + __builtin_log2f(total[row]);
    }
  }
}

// Where a block of queries meets a block of keys in the backward.
struct Meeting {
  explicit Meeting(Scratch& scratch)
      : scores(scratch.take<float>(kQueryBlock * kKeyBlock)),
        dp(scratch.take<float>(kQueryBlock * kKeyBlock)),
        ds(scratch.take<Bits>(kQueryBlock * kKeyBlock)),
        p_pairs(scratch.take<Pair>(kQueryBlock / 2 * kKeyBlock)),
        ds_pairs(scratch.take<Pair>(kQueryBlock / 2 * kKeyBlock)),
        means(scratch.take<float>(kQueryBlock)),
        log_sums(scratch.take<float>(kQueryBlock)) {}

  float* const scores;    // S / s
  float* const dp;        // dP
  Bits* const ds;         // dS
  Pair* const p_pairs;    // P [rows / 2, kKeyBlock, 2]
  Pair* const ds_pairs;   // dS [rows / 2, kKeyBlock, 2]
  float* const means;     // Σ P dP of the row
  float* const log_sums;  // log Σ of the row
};

// P = exp(S − log Σ)   dS = P ∘ (dP − means)
void differentiate_softmax(const Meeting& meeting, int64_t rows, int64_t columns, float factor) {
  for (int64_t row = 0; row < rows; row += 2)
    for (int64_t column = 0; column < columns; column += kLanes) {
      Vector probabilities[2], gradient[2];
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const int64_t place = (row + i) * kKeyBlock + column;
        probabilities[i] =
            power_of_two(_mm512_fmsub_ps(_mm512_loadu_ps(meeting.scores + place), _mm512_set1_ps(factor),
                                         _mm512_set1_ps(meeting.log_sums[row + i])));
        gradient[i] = _mm512_mul_ps(probabilities[i], _mm512_sub_ps(_mm512_loadu_ps(meeting.dp + place),
                                                                    _mm512_set1_ps(meeting.means[row + i])));
        store_bits(meeting.ds + place, gradient[i]);
      }
      const int64_t place = row / 2 * kKeyBlock + column;
      store_pairs(meeting.p_pairs + place, probabilities[0], probabilities[1]);
      store_pairs(meeting.ds_pairs + place, gradient[0], gradient[1]);
    }
}

//   S = s q kᵀ   P = exp(S − log Σ)   dv = Pᵀ dout   dP = dout vᵀ   dS = P ∘ (dP − rowsum(dout ∘ out))
//   dq = s dS k  dk = s dSᵀ q
// dk and dv are added up transposed, so that vectors run along the keys, which are many, and not along the
// channels.
void backward(const AttentionHead<Bits>& head, const AttentionGradients<Bits>& gradients,
              float* scratch_memory) {
  const Layout layout(head);
  const int64_t channels = layout.channels, row_width = 2 * layout.pairs;
  Scratch scratch(scratch_memory);
  Pair* const key_panels = scratch.take<Pair>(layout.panel_keys * layout.pairs);
  Pair* const value_panels = scratch.take<Pair>(layout.panel_keys * layout.pairs);
  Pair* const key_pairs = scratch.take<Pair>(layout.panel_keys / 2 * layout.width);
  float* const dk = scratch.take<float>(channels * layout.panel_keys);  // [channels, keys]
  float* const dv = scratch.take<float>(channels * layout.panel_keys);  // [channels, keys]
  Bits* const query_rows = scratch.take<Bits>(kQueryBlock * row_width);
  Bits* const dout_rows = scratch.take<Bits>(kQueryBlock * row_width);
  Bits* const queries_transposed = scratch.take<Bits>(channels * kQueryBlock);
  Bits* const dout_transposed = scratch.take<Bits>(channels * kQueryBlock);
  float* const dq = scratch.take<float>(kQueryBlock * layout.width);
  const Meeting meeting(scratch);
  const float factor = head.scale * kLog2OfE;
  copy_panels(key_panels, head.k, head.kv_stride, head.keys, layout.panel_keys, channels);
  copy_panels(value_panels, head.v, head.kv_stride, head.keys, layout.panel_keys, channels);
  copy_row_pairs(key_pairs, layout.width, head.k, head.kv_stride, head.keys, layout.keys, channels);
  clear(dk, channels * layout.panel_keys);
  clear(dv, channels * layout.panel_keys);

  for (int64_t first = 0; first < head.queries; first += kQueryBlock) {
    const int64_t count = smaller(kQueryBlock, head.queries - first);
    const int64_t rows = round_up(count, 2);  // the row too many has P = 0
    const Bits* const q = head.q + first * head.q_stride;
    const Bits* const dout = gradients.dout + first * gradients.dout_stride;
    copy_rows(query_rows, row_width, q, head.q_stride, count, rows, channels);
    copy_rows(dout_rows, row_width, dout, gradients.dout_stride, count, rows, channels);
    copy_transposed(queries_transposed, q, head.q_stride, count, channels);
    copy_transposed(dout_transposed, dout, gradients.dout_stride, count, channels);
    clear(dq, rows * layout.width);
    for (int64_t row = 0; row < rows; ++row) {
      meeting.means[row] = 0;
      meeting.log_sums[row] = row < count ? gradients.log_sums[first + row] : -kMasked;
      if (row == count) break;
      const Bits* const out = gradients.out + (first + row) * gradients.out_stride;
      for (int64_t c = 0; c < channels; ++c)
        meeting.means[row] += to_float(dout[row * gradients.dout_stride + c]) * to_float(out[c]);
    }
    for (int64_t key = 0; key < layout.keys; key += kKeyBlock) {
      const int64_t columns = smaller(kKeyBlock, layout.keys - key);
      multiply<false>(meeting.scores, kKeyBlock, {query_rows, row_width}, key_panels + layout.panel_of(key),
                      kPanel, layout.panel_stride(), rows, columns, layout.pairs);
      if (key + columns > head.keys) mask(meeting.scores, rows, head.keys - key, columns);
      multiply<false>(meeting.dp, kKeyBlock, {dout_rows, row_width}, value_panels + layout.panel_of(key),
                      kPanel, layout.panel_stride(), rows, columns, layout.pairs);
      differentiate_softmax(meeting, rows, columns, factor);
      multiply<true>(dv + key, layout.panel_keys, {dout_transposed, kQueryBlock}, meeting.p_pairs, kKeyBlock,
                     kPanel, channels, columns, rows / 2);
      multiply<true>(dk + key, layout.panel_keys, {queries_transposed, kQueryBlock}, meeting.ds_pairs,
                     kKeyBlock, kPanel, channels, columns, rows / 2);
      multiply<true>(dq, layout.width, {meeting.ds, kKeyBlock}, key_pairs + key / 2 * layout.width,
                     layout.width, kPanel, rows, layout.width, columns / 2);
    }
    for (int64_t row = 0; row < count; ++row)
      for (int64_t c = 0; c < channels; ++c)
        gradients.dq[(first + row) * gradients.dq_stride + c] =
            to_bfloat16_bits(dq[row * layout.width + c] * head.scale);
  }
  for (int64_t key = 0; key < head.keys; ++key)
    for (int64_t c = 0; c < channels; ++c) {
      gradients.dk[key * gradients.dkv_stride + c] =
          to_bfloat16_bits(dk[c * layout.panel_keys + key] * head.scale);
      gradients.dv[key * gradients.dkv_stride + c] = to_bfloat16_bits(dv[c * layout.panel_keys + key]);
    }
}

}  // namespace

AttentionTile<BFloat16Bits> attention_tile_of_bfloat16() {
  return {.scratch_floats = scratch_floats, .forward = forward, .backward = backward};
}

}  // namespace sdlora::model::kernels
