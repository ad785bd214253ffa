// Which layers of the UNet, and of the text encoder if it is trained, get an adapter.
#pragma once

#include <functional>
#include <string>

#include "common/pattern.h"
#include "lora/lora_config.h"

namespace sdlora::lora {

class Targets {
 public:
  // attn: to_q, to_k, to_v, to_out.0 of every attention (128 modules of SD 1.5; diffusers' training script).
  // attn-mlp: also ff.net.0.proj, ff.net.2, proj_in, proj_out (192 modules; kohya's default).
  // full: also conv1, conv2, time_emb_proj, conv_shortcut of every residual block, and the convolutions of
  // down- and upsamplers (278 modules; kohya's with conv_dim).
  // Of the text encoder each of these means q_proj, k_proj, v_proj, out_proj, fc1, fc2 (72 modules; kohya's).
  // Else a regular expression (pattern.h), searched for in the module path. Throws Error(kUsage) when it is
  // malformed, or contains() when it takes too long.
  explicit Targets(const std::string& targets);

  // `path`: a diffusers module path, for example "mid_block.attentions.0.transformer_blocks.0.attn1.to_q".
  bool contains(const std::string& path) const { return pattern_.is_found_in(path); }

 private:
  Pattern pattern_;
};

// Whose plain weights the adapter reads in every step, for model::ComputeMode: DoRA's; of a LoRA none.
std::function<bool(const std::string& path)> weights_to_keep(const LoraConfig& config);

}  // namespace sdlora::lora
