// What a tensor's name says about it, in every naming that adapters of Stable Diffusion use:
//
//   sdlora      down_blocks.0.….attn1.to_q.lora_A                       .lora_B
//   kohya       lora_unet_down_blocks_0_…_attn1_to_q.lora_down.weight   .lora_up.weight   .alpha
//               lora_te_text_model_…, lora_te1_…, lycoris_…; the same with LDM's paths
//   diffusers   unet.down_blocks.0.….attn1.to_q.lora_A.weight           .lora_B.weight
//   older       unet.down_blocks.0.….attn1.to_q.lora.down.weight        .lora.up.weight
//   oldest      down_blocks.0.….attn1.processor.to_q_lora.down.weight   _lora.up.weight
//   PEFT        base_model.model.down_blocks.0.….attn1.to_q.lora_A.default.weight
//   ComfyUI     diffusion_model.input_blocks.1.1.….attn1.to_q.lora_A.weight, text_encoders.clip_l.transformer.…
//
// Sources: kohya-ss sd-scripts networks/lora.py; diffusers utils/state_dict_utils.py and
// loaders/lora_conversion_utils.py; PEFT utils/save_and_load.py; LyCORIS modules/*.py; ComfyUI comfy/lora.py.
#pragma once

#include <string>

#include "lora/names/adapter_part.h"

namespace sdlora::lora {

enum class Naming { kSdlora, kKohya, kDiffusers, kPeft, kNumbered };

struct AdapterName {
  Naming naming = Naming::kDiffusers;
  std::string module;  // flat (flat_name.h), below its network; ModuleTable::find() says what it is.
                       // Of unknown names with what should say the part.
  std::string dotted;  // the same with its dots, where the file has dots
  Part part = Part::kUnsupported;
  std::string unsupported_kind;  // for kUnsupported: what it belongs to, "OFT"
};

AdapterName parse_adapter_name(const std::string& name);

const char* text_of(Naming naming);

}  // namespace sdlora::lora
