#include "model/kernels/blocked_attention.h"

#include <cmath>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "model/kernels/attention_tile.h"
#include "model/kernels/flushed_denormals.h"
#include "model/kernels/hand_written_backward.h"

namespace sdlora::model::kernels {
namespace {

// Rows must be contiguous in themselves.
at::Tensor with_dense_rows(const at::Tensor& x) {
  return x.stride(2) == 1 ? x : x.contiguous();
}

// The head's part of [B, N, C].
template <typename Number>
Number* head_of(const at::Tensor& x, int64_t batch, int64_t head, int64_t head_count) {
  return static_cast<Number*>(x.data_ptr()) + batch * x.stride(0) + head * (x.size(2) / head_count);
}

template <typename Number>
struct Heads {
  at::Tensor q, k, v;
  int64_t head_count;
  AttentionTile<Number> tile;

  int64_t count() const { return q.size(0) * head_count; }

  AttentionHead<Number> at(int64_t index) const {
    const int64_t batch = index / head_count, head = index % head_count;
    const int64_t channels = q.size(2) / head_count;
    return {.queries = q.size(1),
            .keys = k.size(1),
            .channels = channels,
            .q = head_of<Number>(q, batch, head, head_count),
            .k = head_of<Number>(k, batch, head, head_count),
            .v = head_of<Number>(v, batch, head, head_count),
            .q_stride = q.stride(1),
            .kv_stride = k.stride(1),
            .scale = 1 / std::sqrt(static_cast<float>(channels))};
  }

  // Calls work(head, batch, number of the head in it, scratch) for every head, on all threads.
  template <typename Work>
  void for_each(const Work& work) const {
    at::parallel_for(0, count(), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
      const FlushedDenormals flushed;  // of vanishing probabilities
      const at::Tensor scratch = at::empty({tile.scratch_floats(at(begin))}, at::kFloat);
      for (int64_t i = begin; i < end; ++i)
        work(at(i), i / head_count, i % head_count, scratch.data_ptr<float>());
    });
  }
};

template <typename Number>
std::vector<at::Tensor> gradients_of(const Heads<Number>& heads, const at::Tensor& out,
                                     const at::Tensor& log_sums, const at::Tensor& output_gradient) {
  const at::Tensor dout = with_dense_rows(output_gradient);
  const at::Tensor dq = at::empty(heads.q.sizes(), heads.q.options());
  const at::Tensor dk = at::empty(heads.k.sizes(), heads.k.options()), dv = at::empty_like(dk);
  heads.for_each([&](const AttentionHead<Number>& head, int64_t batch, int64_t number, float* scratch) {
    const auto place = [&](const at::Tensor& x) {
      return head_of<Number>(x, batch, number, heads.head_count);
    };
    heads.tile.backward(
        head,
        {.out = place(out),
         .dout = place(dout),
         .log_sums = log_sums.data_ptr<float>() + (batch * heads.head_count + number) * head.queries,
         .dq = place(dq),
         .dk = place(dk),
         .dv = place(dv),
         .out_stride = out.stride(1),
         .dout_stride = dout.stride(1),
         .dq_stride = dq.stride(1),
         .dkv_stride = dk.stride(1)},
        scratch);
  });
  return {dq, dk, dv};
}

template <typename Number>
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t head_count,
                     const AttentionTile<Number>& tile) {
  Heads<Number> heads{.q = with_dense_rows(q.detach()),
                      .k = with_dense_rows(k.detach()),
                      .v = with_dense_rows(v.detach()),
                      .head_count = head_count,
                      .tile = tile};
  if (heads.k.stride(1) != heads.v.stride(1)) {
    heads.k = heads.k.contiguous();
    heads.v = heads.v.contiguous();
  }
  at::Tensor out = at::empty(q.sizes(), heads.q.options());
  const at::Tensor log_sums = at::empty({q.size(0), head_count, q.size(1)}, q.options().dtype(at::kFloat));
  heads.for_each([&](const AttentionHead<Number>& head, int64_t batch, int64_t number, float* scratch) {
    heads.tile.forward(head, head_of<Number>(out, batch, number, head_count), out.stride(1),
                       log_sums.data_ptr<float>() + (batch * head_count + number) * head.queries, scratch);
  });
  if (!wants_backward({q, k, v})) return out;
  return with_backward(out, {q, k, v}, [heads, kept = out.detach(), log_sums](const at::Tensor& dout) {
    return gradients_of(heads, kept, log_sums, dout);
  });
}

}  // namespace

at::Tensor blocked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             int64_t head_count, AttentionKernel kernel) {
  const bool takes_bfloat16 = kernel == AttentionKernel::kAvx512Bf16 || kernel == AttentionKernel::kAmx;
  const at::ScalarType dtype = takes_bfloat16 ? at::kBFloat16 : at::kFloat;
  TORCH_CHECK(q.scalar_type() == dtype && k.scalar_type() == dtype && v.scalar_type() == dtype,
              "this blocked attention takes ", dtype);
  switch (kernel) {
    case AttentionKernel::kAvx2:
      return attention(q, k, v, head_count, attention_tile_of_8_lanes());
    case AttentionKernel::kAvx512:
      return attention(q, k, v, head_count, attention_tile_of_16_lanes());
    case AttentionKernel::kAvx512Bf16:
      return attention(q, k, v, head_count, attention_tile_of_bfloat16());
    case AttentionKernel::kAmx:
      return attention(q, k, v, head_count, attention_tile_of_amx());
    case AttentionKernel::kAten:
      break;
  }
  TORCH_CHECK(false, "ATen's attention is not blocked");
}

}  // namespace sdlora::model::kernels
