"""Writes a Stable Diffusion model with random weights in diffusers' layout, by diffusers' and transformers' own classes.

    python make_model.py --size tiny --out DIR [--dtype fp16] [--variant fp16] [--max-shard-size 100MB] [--only unet,vae]
    python make_model.py --size full --cache        # prints the folder, made once

`full` is Stable Diffusion 1.5 in every shape (3.4 GB for the UNet alone, a minute); the other sizes take a few seconds.
Weights are drawn so that activations stay near 1, and no bias is 0 and no norm weight 1, so that a mix-up shows.
"""
import argparse
import hashlib
import json
import os
import shutil
from pathlib import Path

import torch
from clip_vocabulary import write_tokenizer
from model_sizes import SD15_SCHEDULER, SIZES
from safetensors.torch import load_file, save_file

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def build(part: str, config: dict) -> torch.nn.Module:
    if part == "text_encoder":
        from transformers import CLIPTextConfig, CLIPTextModel

        return CLIPTextModel(CLIPTextConfig(**config))
    from diffusers import AutoencoderKL, UNet2DConditionModel

    with torch.device("meta"):  # neither class has buffers, and drawing weights twice takes long at full size
        model = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part](**config)
    return model.to_empty(device="cpu")


@torch.no_grad()
def draw_weights(model: torch.nn.Module, seed: int) -> None:
    """Matrices and kernels with variance 1/fan_in, those that end a residual branch smaller."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        parameter.normal_(generator=generator)
        is_norm = "norm" in name
        if parameter.dim() == 1:
            parameter.mul_(0.2 if is_norm else 0.1)
            if is_norm and name.endswith("weight"):
                parameter.add_(1)
        elif "embedding.weight" in name:
            parameter.mul_(0.5)
        else:
            ends_branch = any(key in name for key in ("conv2.", "to_out.", "out_proj.", "net.2.", "fc2.", "proj_out."))
            parameter.mul_((0.5 if ends_branch else 1.0) / parameter[0].numel() ** 0.5)


def write_config(folder: Path, class_name: str, config: dict) -> None:
    values = {"_class_name": class_name, "_diffusers_version": "0.6.0", **config}
    (folder / "config.json").write_text(json.dumps(values, indent=2) + "\n")


def rename_old_attention(folder: Path) -> None:
    """As in the first Stable Diffusion files: query, key, value, proj_attn, and 1×1 convolutions in place of matrices."""
    old_names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for file in folder.glob("*.safetensors"):
        renamed = {}
        for name, tensor in load_file(file).items():
            if ".attentions." in name:
                for new, old in old_names.items():
                    if f".{new}." in name:
                        name = name.replace(f".{new}.", f".{old}.")
                        tensor = tensor[:, :, None, None] if tensor.dim() == 2 else tensor
            renamed[name] = tensor.contiguous()
        save_file(renamed, file, metadata={"format": "pt"})


def save_text_encoder(model, folder: Path, config: dict, prefix: str, arguments: argparse.Namespace) -> None:
    folder.mkdir(parents=True)
    state = {prefix + k.removeprefix("text_model."): v for k, v in model.state_dict().items() if "position_ids" not in k}
    if prefix:  # files older than transformers 4.31 hold this buffer too
        state[prefix + "embeddings.position_ids"] = torch.arange(77).unsqueeze(0)
    suffix = f".{arguments.variant}" if arguments.variant else ""
    save_file(state, folder / f"model{suffix}.safetensors", metadata={"format": "pt"})
    defaults = {} if arguments.size == "full" else model.config.to_dict()
    values = {**defaults, "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", **config}
    (folder / "config.json").write_text(json.dumps(values, indent=2, default=str) + "\n")


def write_part(part: str, out: Path, arguments: argparse.Namespace) -> None:
    size = SIZES[arguments.size]
    folder = out / part
    if part == "tokenizer":
        write_tokenizer(folder, **({"pad_token": size["pad_token"]} if "pad_token" in size else {}))
        return
    if part == "scheduler":
        folder.mkdir(parents=True)
        prediction = arguments.prediction_type or size.get("prediction_type")
        values = SD15_SCHEDULER | ({"prediction_type": prediction} if prediction else {})
        (folder / "scheduler_config.json").write_text(json.dumps(values, indent=2) + "\n")
        return
    model = build(part, size[part])
    draw_weights(model, arguments.seed + PARTS.index(part))
    if arguments.dtype != "fp32":
        model.to(DTYPES[arguments.dtype])
    if part == "text_encoder":
        save_text_encoder(model, folder, size[part], size["text_prefix"], arguments)
        return
    model.save_pretrained(folder, variant=arguments.variant, max_shard_size=arguments.max_shard_size)
    if arguments.size == "full":
        write_config(folder, type(model).__name__, size[part])
    if part == "vae" and size.get("old_vae_attention"):
        rename_old_attention(folder)


def write_model(out: Path, arguments: argparse.Namespace) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for part in arguments.only.split(","):
        shutil.rmtree(out / part, ignore_errors=True)
        write_part(part, out, arguments)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.6.0",
        "feature_extractor": [None, None],
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def cached(arguments: argparse.Namespace) -> Path:
    """The folder of this size and these options, made if it is not there; complete or absent."""
    here = Path(__file__).parent
    sources = [(here / name).read_text() for name in ("make_model.py", "clip_vocabulary.py")]
    options = {k: v for k, v in vars(arguments).items() if k not in ("out", "cache")}
    made_of = json.dumps([sources, SIZES[arguments.size], SD15_SCHEDULER, options], sort_keys=True)
    key = hashlib.sha256(made_of.encode()).hexdigest()[:12]
    home = Path(os.environ.get("SDLORA_HOME", Path.home() / ".cache" / "sdlora")) / "models"
    folder = home / f"{arguments.size}-{key}"
    if not folder.exists():
        temporary = home / f".{folder.name}.{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        write_model(temporary, arguments)
        try:
            temporary.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(temporary)
    return folder


def parse(command_line: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--out", type=Path, help="folder to write to; parts already there are replaced")
    parser.add_argument("--cache", action="store_true", help="make it once in ${SDLORA_HOME:-~/.cache/sdlora}/models, print the folder")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help="type of the stored weights")
    parser.add_argument("--variant", help="fp16 names the files *.fp16.safetensors")
    parser.add_argument("--max-shard-size", default="10GB")
    parser.add_argument("--only", default=",".join(PARTS), help="comma-separated parts")
    parser.add_argument("--prediction-type", choices=["epsilon", "v_prediction"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(command_line)
    if bool(arguments.out) == arguments.cache:
        parser.error("one of --out DIR and --cache is needed")
    unknown = set(arguments.only.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--only knows {', '.join(PARTS)}; not {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    chosen = parse()
    if chosen.cache:
        print(cached(chosen))
    else:
        write_model(chosen.out, chosen)
