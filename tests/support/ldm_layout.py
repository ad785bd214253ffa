"""A model folder of diffusers as one state dict under the names of the original code base (CompVis and Stability-AI).

Written from the index formulas of the two layouts, on its own: the tests compare what diffusers' from_single_file makes of
the result with the folder, before they compare what our programs make of it.
"""
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

IN_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
OUTSIDE_UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
IN_CLIP_LAYER = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}


def part_state(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}


def unet_prefixes(config: dict) -> dict[str, str]:
    """LDM's prefix of each block by diffusers' prefix."""
    levels = len(config["block_out_channels"])
    layers = config["layers_per_block"]
    layers = layers if isinstance(layers, list) else [layers] * levels
    prefixes = {"mid_block.resnets.0.": "middle_block.0.", "mid_block.attentions.0.": "middle_block.1.", "mid_block.resnets.1.": "middle_block.2."}
    for d in range(levels):
        base = 1 + sum(layers[i] + 1 for i in range(d))
        for j in range(layers[d]):
            prefixes[f"down_blocks.{d}.resnets.{j}."] = f"input_blocks.{base + j}.0."
            prefixes[f"down_blocks.{d}.attentions.{j}."] = f"input_blocks.{base + j}.1."
        prefixes[f"down_blocks.{d}.downsamplers.0.conv."] = f"input_blocks.{base + layers[d]}.0.op."
    for u in range(levels):
        level = levels - 1 - u
        base = sum(layers[levels - 1 - i] + 1 for i in range(u))
        for j in range(layers[level] + 1):
            prefixes[f"up_blocks.{u}.resnets.{j}."] = f"output_blocks.{base + j}.0."
            prefixes[f"up_blocks.{u}.attentions.{j}."] = f"output_blocks.{base + j}.1."
        place = 2 if "CrossAttn" in config["up_block_types"][u] else 1
        prefixes[f"up_blocks.{u}.upsamplers.0.conv."] = f"output_blocks.{base + layers[level]}.{place}.conv."
    return prefixes


def unet_to_ldm(state: dict, config: dict) -> dict:
    prefixes = unet_prefixes(config)
    renamed = {}
    for name, tensor in state.items():
        module, leaf = name.rsplit(".", 1)
        if module in OUTSIDE_UNET:
            renamed[f"{OUTSIDE_UNET[module]}.{leaf}"] = tensor
            continue
        prefix = next(p for p in prefixes if name.startswith(p))
        rest = name.removeprefix(prefix)
        if ".resnets." in prefix:
            inner, leaf = rest.rsplit(".", 1)
            rest = f"{IN_RESNET[inner]}.{leaf}"
        renamed[prefixes[prefix] + rest] = tensor
    return renamed


def vae_to_ldm(state: dict, config: dict) -> dict:
    levels = len(config["block_out_channels"])
    renamed = {}
    for name, tensor in state.items():
        parts = name.split(".")
        if parts[0] in ("quant_conv", "post_quant_conv") or parts[1] in ("conv_in", "conv_out"):
            renamed[name] = tensor
        elif parts[1] == "conv_norm_out":
            renamed[f"{parts[0]}.norm_out.{parts[2]}"] = tensor
        elif parts[1] == "mid_block" and parts[2] == "resnets":
            renamed[f"{parts[0]}.mid.block_{int(parts[3]) + 1}.{'.'.join(parts[4:])}"] = tensor
        elif parts[1] == "mid_block":
            inner = ".".join(parts[4:-1])
            is_matrix = inner != "group_norm" and parts[-1] == "weight"
            renamed[f"{parts[0]}.mid.attn_1.{VAE_ATTENTION[inner]}.{parts[-1]}"] = tensor[:, :, None, None] if is_matrix else tensor
        else:
            side, level = ("down", int(parts[2])) if parts[1] == "down_blocks" else ("up", levels - 1 - int(parts[2]))
            rest = ".".join(parts[5:]).replace("conv_shortcut", "nin_shortcut")
            inner = f"block.{parts[4]}.{rest}" if parts[3] == "resnets" else f"{side}sample.{rest}"
            renamed[f"{parts[0]}.{side}.{level}.{inner}"] = tensor
    return renamed


def text_to_open_clip(state: dict, config: dict) -> dict:
    """With a last layer that Stable Diffusion does not use, and the other left-overs of such files."""
    state = {name.removeprefix("text_model."): tensor for name, tensor in state.items() if "position_ids" not in name}
    renamed = {
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
    }
    for layer in range(config["num_hidden_layers"]):
        block, source = f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}."
        for leaf in ("weight", "bias"):
            renamed[f"{block}attn.in_proj_{leaf}"] = torch.cat([state[f"{source}self_attn.{x}_proj.{leaf}"] for x in "qkv"])
            for inner, other in IN_CLIP_LAYER.items():
                renamed[f"{block}{other}.{leaf}"] = state[f"{source}{inner}.{leaf}"]
    for name in [n for n in renamed if n.startswith("transformer.resblocks.0.")]:
        renamed[name.replace(".0.", f".{config['num_hidden_layers']}.", 1)] = torch.full_like(renamed[name], 0.5)
    width = config["hidden_size"]
    return renamed | {"text_projection": torch.zeros(width, width), "logit_scale": torch.tensor(4.6), "attn_mask": torch.zeros(77, 77)}


def to_ldm(model: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the folder's UNet, VAE and text encoder, with the prefixes of Stable Diffusion's files."""
    configs = {part: json.loads((model / part / "config.json").read_text()) for part in ("unet", "vae", "text_encoder")}
    text = part_state(model / "text_encoder")
    if configs["unet"].get("use_linear_projection"):
        text_prefix, text = "cond_stage_model.model.", text_to_open_clip(text, configs["text_encoder"])
    else:
        text_prefix = "cond_stage_model.transformer."
    parts = {
        "model.diffusion_model.": unet_to_ldm(part_state(model / "unet"), configs["unet"]),
        "first_stage_model.": vae_to_ldm(part_state(model / "vae"), configs["vae"]),
        text_prefix: text,
    }
    return {prefix + name: tensor.contiguous() for prefix, state in parts.items() for name, tensor in state.items()}


def schedule_tables() -> dict[str, torch.Tensor]:
    """Buffers of the original's LatentDiffusion that no program needs."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - betas, 0)
    return {"betas": betas.float(), "alphas_cumprod": alphas.float(), "sqrt_alphas_cumprod": alphas.sqrt().float(), "posterior_variance": betas.float()}


def ema_of(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Other values than the plain weights, under the flat names of the original's LitEma."""
    flat = {"model_ema." + name.removeprefix("model.").replace(".", ""): tensor + 1 for name, tensor in state.items() if name.startswith("model.diffusion_model.")}
    return flat | {"model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": torch.tensor(7, dtype=torch.int32)}
