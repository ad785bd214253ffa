#include "model/layers/attention.h"

#include "model/kernels/blocked_attention.h"

namespace sdlora::model {

at::Tensor scaled_dot_product_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                        int64_t head_count, bool is_causal) {
  const int64_t batch = q.size(0), channels = q.size(2), head_channels = channels / head_count;
  const auto split = [&](const at::Tensor& x) {  // [B, N, C] → [B, heads, N, C / heads]
    return x.view({batch, x.size(1), head_count, head_channels}).transpose(1, 2);
  };
  const at::Tensor out = at::scaled_dot_product_attention(split(q), split(k), split(v), /*attn_mask=*/{},
                                                          /*dropout_p=*/0.0, is_causal);
  return out.transpose(1, 2).reshape({batch, q.size(1), channels});
}

Attention::Attention(const WeightSource& weights, int64_t channels, int64_t context_channels,
                     int64_t head_count)
    : head_count_(head_count),
      kernel_(weights.mode().cpu_kernels.attention),
      to_q_(make_projection(weights.at("to_q"), channels, channels, /*has_bias=*/false)),
      to_k_(make_projection(weights.at("to_k"), context_channels, channels, /*has_bias=*/false)),
      to_v_(make_projection(weights.at("to_v"), context_channels, channels, /*has_bias=*/false)),
      to_out_(make_projection(weights.at("to_out").at(0), channels, channels)) {}

at::Tensor Attention::forward(const at::Tensor& x, const at::Tensor& context) const {
  const at::Tensor q = to_q_->forward(x), k = to_k_->forward(context), v = to_v_->forward(context);
  return to_out_->forward(kernel_ == kernels::AttentionKernel::kAten
                              ? scaled_dot_product_attention(q, k, v, head_count_)
                              : kernels::blocked_attention(q, k, v, head_count_, kernel_));
}

void Attention::visit_slots(const std::string& path, const SlotVisitor& visitor) {
  visitor.projection(path + ".to_q", to_q_);
  visitor.projection(path + ".to_k", to_k_);
  visitor.projection(path + ".to_v", to_v_);
  visitor.projection(path + ".to_out.0", to_out_);
}

}  // namespace sdlora::model
