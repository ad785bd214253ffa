// What a tensor's name says about it, in every naming that LoRA files of Stable Diffusion 1.5 use:
//
//   sdlora      down_blocks.0.….attn1.to_q.lora_A                       .lora_B
//   kohya       lora_unet_down_blocks_0_…_attn1_to_q.lora_down.weight   .lora_up.weight   .alpha
//   diffusers   unet.down_blocks.0.….attn1.to_q.lora_A.weight           .lora_B.weight
//   older       unet.down_blocks.0.….attn1.to_q.lora.down.weight        .lora.up.weight
//   oldest      down_blocks.0.….attn1.processor.to_q_lora.down.weight   _lora.up.weight
//   PEFT        base_model.model.down_blocks.0.….attn1.to_q.lora_A.default.weight
//
// Sources: kohya-ss sd-scripts networks/lora.py; diffusers utils/state_dict_utils.py and
// loaders/lora_conversion_utils.py; PEFT utils/save_and_load.py; LyCORIS modules/*.py.
#pragma once

#include <string>

namespace sdlora::lora {

enum class Naming { kSdlora, kKohya, kDiffusers, kPeft };

enum class Network { kUnet, kTextEncoder };

enum class Part { kA, kB, kAlpha, kUnsupported };

struct AdapterName {
  Naming naming;
  Network network;
  std::string path;  // diffusers module path in its network; of an unknown tensor its whole name
  Part part;
  std::string unsupported_kind;  // for kUnsupported: what it belongs to, "LoHa"
};

AdapterName parse_adapter_name(const std::string& name);

const char* text_of(Naming naming);

}  // namespace sdlora::lora
