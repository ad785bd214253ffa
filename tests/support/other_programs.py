"""How AUTOMATIC1111 and ComfyUI find the layer that a tensor of an adapter's file is of: their rules, as facts."""
import re

RESNET_PARTS = {"conv1": "in_layers_2", "conv2": "out_layers_3", "norm1": "in_layers_0", "norm2": "out_layers_0",
                "time_emb_proj": "emb_layers_1", "conv_shortcut": "skip_connection"}


def automatic1111_module(key):
    """The layer's name in AUTOMATIC1111's table (dots made underscores), of a key up to its first dot."""
    def suffix(kind, rest):
        return RESNET_PARTS.get(rest, rest) if kind == "resnets" else rest

    rules = [
        (r"lora_unet_conv_in", lambda m: "diffusion_model_input_blocks_0_0"),
        (r"lora_unet_conv_out", lambda m: "diffusion_model_out_2"),
        (r"lora_unet_time_embedding_linear_(\d+)", lambda m: f"diffusion_model_time_embed_{2 * int(m[1]) - 2}"),
        (r"lora_unet_down_blocks_(\d+)_(attentions|resnets)_(\d+)_(.+)", lambda m: (
            f"diffusion_model_input_blocks_{1 + 3 * int(m[1]) + int(m[3])}_{int(m[2] == 'attentions')}_{suffix(m[2], m[4])}")),
        (r"lora_unet_mid_block_(attentions|resnets)_(\d+)_(.+)", lambda m: (
            f"diffusion_model_middle_block_{1 if m[1] == 'attentions' else 2 * int(m[2])}_{suffix(m[1], m[3])}")),
        (r"lora_unet_up_blocks_(\d+)_(attentions|resnets)_(\d+)_(.+)", lambda m: (
            f"diffusion_model_output_blocks_{3 * int(m[1]) + int(m[3])}_{int(m[2] == 'attentions')}_{suffix(m[2], m[4])}")),
        (r"lora_unet_down_blocks_(\d+)_downsamplers_0_conv", lambda m: f"diffusion_model_input_blocks_{3 + 3 * int(m[1])}_0_op"),
        (r"lora_unet_up_blocks_(\d+)_upsamplers_0_conv", lambda m: (
            f"diffusion_model_output_blocks_{2 + 3 * int(m[1])}_{2 if int(m[1]) > 0 else 1}_conv")),
        (r"lora_te_text_model_encoder_layers_(\d+)_(.+)", lambda m: f"transformer_text_model_encoder_layers_{m[1]}_{m[2]}"),
    ]
    for pattern, name in rules:
        if match := re.fullmatch(pattern, key):
            return name(match)
    return key


def comfyui_modules(diffusers_unet_weights, clip_layer_count):
    """All names that ComfyUI knows a layer of the model by, without the part behind."""
    unet = {"lora_unet_" + name.removesuffix(".weight").replace(".", "_") for name in diffusers_unet_weights if name.endswith(".weight")}
    parts = ("mlp_fc1", "mlp_fc2", "self_attn_k_proj", "self_attn_q_proj", "self_attn_v_proj", "self_attn_out_proj")
    return unet | {f"lora_te_text_model_encoder_layers_{layer}_{part}" for layer in range(clip_layer_count) for part in parts}
