"""The reference models of the tests: diffusers' and transformers' classes with a model folder's weights, in fp32."""
import os
from pathlib import Path

# Only errors are of interest; read when the packages are imported.
os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error"}

import torch
from safetensors.torch import load_file

OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def load_unet(model: Path):
    from diffusers import UNet2DConditionModel

    return _load(UNet2DConditionModel, model / "unet").eval()


def load_text_encoder(model: Path):
    from transformers import CLIPTextModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    return _load(CLIPTextModel, model / "text_encoder").eval()


def load_vae(model: Path):
    """Reads also attention weights with the old names as 1×1 convolutions, which diffusers takes in no folder."""
    from diffusers import AutoencoderKL

    files = list((model / "vae").glob("*.safetensors"))
    state = {name: tensor for file in files for name, tensor in load_file(file).items()}
    if not any(".query." in name for name in state):
        return _load(AutoencoderKL, model / "vae").eval()
    for name in [n for n in state if ".attentions." in n]:
        new_name = name
        for old, new in OLD_ATTENTION.items():
            new_name = new_name.replace(old, new)
        tensor = state.pop(name)
        state[new_name] = tensor.flatten(1) if tensor.dim() == 4 else tensor
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(model / "vae"))
    vae.load_state_dict(state)  # strict
    return vae.float().eval()


def _load(model_class, folder: Path):
    half = any(folder.glob("*.fp16.*"))
    model, info = model_class.from_pretrained(
        folder, variant="fp16" if half else None, torch_dtype=torch.float32, output_loading_info=True
    )
    missing, unexpected = list(info["missing_keys"]), [k for k in info["unexpected_keys"] if "position_ids" not in k]
    if missing or unexpected:
        raise SystemExit(f"{folder}: the reference misses {missing} and does not know {unexpected}")
    return model
