"""Compares the UNet with adapters in every file format with diffusers and PEFT, on the same file, weights and inputs.

    python adapter_formats.py --probe build/bin/model_probe --converter build/bin/adapter

The files are written by the savers of diffusers and PEFT where there are any, and read by their loaders. Prints for each the
relative error ||ours - reference|| / ||reference||; fails above 1e-5.
"""
import argparse
import copy
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
import make_model  # noqa: E402
import reference_model  # noqa: E402
from diffusers import StableDiffusionPipeline  # noqa: E402
from diffusers.training_utils import _collate_lora_metadata  # noqa: E402
from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya  # noqa: E402
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict  # noqa: E402

TOLERANCE = 1e-5
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
ALL = ATTENTION + ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out", "time_emb_proj"]
RANK, ALPHA = 4, 6  # a scale that is neither 1 nor a power of 2


def unet_with_adapter(base, **config):
    """`base` with random A and B, by PEFT."""
    unet = copy.deepcopy(base)
    unet.add_adapter(LoraConfig(**{"r": RANK, "lora_alpha": RANK, "target_modules": ALL, "init_lora_weights": False} | config))
    draw = torch.Generator().manual_seed(3)
    for name, parameter in unet.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.3 / parameter[0].numel() ** 0.5, generator=draw)
    return unet


def pipeline(unet) -> StableDiffusionPipeline:
    parts = {name: None for name in ("vae", "text_encoder", "tokenizer", "scheduler", "safety_checker", "feature_extractor")}
    return StableDiffusionPipeline(unet=unet, **parts, requires_safety_checker=False)


def merged(base, pairs: dict[str, tuple[torch.Tensor, torch.Tensor, float]]):
    """`base` with W + alpha / r B A, for files that diffusers' loader misreads."""
    unet = copy.deepcopy(base)
    for path, (a, b, alpha) in pairs.items():
        weight = unet.get_submodule(path).weight
        delta = b.double().flatten(1) @ a.double().flatten(1) * (alpha / a.shape[0])
        weight.data = (weight.double() + delta.reshape(weight.shape)).float()
    return unet


def pairs_of(unet, alpha=lambda path, rank: rank) -> dict[str, tuple[torch.Tensor, torch.Tensor, float]]:
    state = get_peft_model_state_dict(unet)
    paths = [name.removesuffix(".lora_A.weight") for name in state if name.endswith(".lora_A.weight")]
    return {p: (state[f"{p}.lora_A.weight"], state[f"{p}.lora_B.weight"], alpha(p, state[f"{p}.lora_A.weight"].shape[0])) for p in paths}


def kohya_tensors(pairs) -> dict[str, torch.Tensor]:
    tensors = {}
    for path, (a, b, alpha) in pairs.items():
        name = "lora_unet_" + path.replace(".", "_")
        tensors |= {f"{name}.lora_down.weight": a, f"{name}.lora_up.weight": b, f"{name}.alpha": torch.tensor(float(alpha))}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


class Formats:
    def __init__(self, probe: Path, converter: Path, model: Path, folder: Path):
        self.probe, self.converter, self.model, self.folder = probe, converter, model, folder
        self.base = reference_model.load_unet(model)
        draw = torch.Generator().manual_seed(5)
        self.inputs = {
            "unet.sample": torch.randn(2, self.base.config.in_channels, 16, 16, generator=draw),
            "unet.timestep": torch.tensor([7, 903]),
            "unet.encoder_hidden_states": torch.randn(2, 77, self.base.config.cross_attention_dim, generator=draw),
        }
        save_file(self.inputs, folder / "inputs.safetensors")
        self.without = self.base(*self.inputs.values()).sample
        self.worst = 0.0

    def ours(self, adapter: Path, *options: str) -> torch.Tensor:
        outputs = self.folder / "outputs.safetensors"
        arguments = ["--model", self.model, "--lora", adapter, "--inputs", self.folder / "inputs.safetensors", "--outputs", outputs]
        done = subprocess.run([self.probe, *arguments, *options], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{self.probe} ended with {done.returncode}:\n{done.stderr}")
        return load_file(outputs)["unet.out"]

    def loaded_by_diffusers(self, adapter: Path):
        pipe = pipeline(copy.deepcopy(self.base))
        pipe.load_lora_weights(adapter.parent, weight_name=adapter.name)
        return pipe.unet

    def compare(self, title: str, adapter: Path, reference_unet=None) -> None:
        reference = (reference_unet or self.loaded_by_diffusers(adapter))(*self.inputs.values()).sample
        change = ((reference - self.without).norm() / self.without.norm()).item()
        error = ((self.ours(adapter) - reference).double().norm() / reference.double().norm()).item()
        is_bad = not (error <= TOLERANCE and change > 0.01)  # an adapter that changes nothing proves nothing
        self.worst = max(self.worst, float("inf") if is_bad else error)
        print(f"  {title:62} changes {change:.2f}  relative error {error:.2e}{'  BAD' if is_bad else ''}", flush=True)

    def convert(self, adapter: Path, naming: str) -> Path:
        out = self.folder / f"{adapter.stem}-as-{naming}.safetensors"
        subprocess.run([self.converter, "convert", adapter, "--output", out, "--format", naming], check=True, capture_output=True)
        return out

    def save(self, name: str, tensors: dict[str, torch.Tensor], **options) -> Path:
        save_file({k: v.contiguous() for k, v in tensors.items()}, self.folder / name, **options)
        return self.folder / name

    def check_diffusers(self) -> None:
        attention, all_modules = unet_with_adapter(self.base, target_modules=ATTENTION), unet_with_adapter(self.base)
        names = convert_state_dict_to_diffusers(get_peft_model_state_dict(attention))
        for name, is_safe in {"older.safetensors": True, "older.bin": False}.items():
            StableDiffusionPipeline.save_lora_weights(self.folder, names, weight_name=name, safe_serialization=is_safe)
            self.compare(f"save_lora_weights, {name}", self.folder / name)
        oldest = {k.replace(".lora.", "_lora.").replace(".to_out.0_lora", ".to_out_lora"): v for k, v in names.items()}
        oldest = {k.replace("attn1.", "attn1.processor.").replace("attn2.", "attn2.processor."): v for k, v in oldest.items()}
        self.compare("attention processors", self.save("oldest.safetensors", {f"unet.{k}": v for k, v in oldest.items()}))
        self.compare("attention processors without prefix", self.save("bare.safetensors", oldest), attention)
        StableDiffusionPipeline.save_lora_weights(self.folder, get_peft_model_state_dict(all_modules), weight_name="plain.safetensors")
        self.compare("save_lora_weights, PEFT names", self.folder / "plain.safetensors")
        patterns = {"rank_pattern": {"attn1.to_q": 2}, "alpha_pattern": {"attn1.to_q": 5, "proj_in": 1}}
        for title, config in {"metadata": patterns, "metadata with rsLoRA": {"use_rslora": True}}.items():
            unet = unet_with_adapter(self.base, lora_alpha=ALPHA, **config)
            metadata = _collate_lora_metadata({"unet": unet})
            StableDiffusionPipeline.save_lora_weights(
                self.folder, get_peft_model_state_dict(unet), weight_name=f"{title}.safetensors", **metadata
            )
            self.compare(f"save_lora_weights, PEFT names, {title}", self.folder / f"{title}.safetensors")

    def check_peft(self) -> None:
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=ALL, init_lora_weights=False)
        for is_safe, name in {True: "adapter_model.safetensors", False: "adapter_model.bin"}.items():
            model = get_peft_model(copy.deepcopy(self.base), config)
            model.save_pretrained(self.folder / f"peft{is_safe}", safe_serialization=is_safe)
            self.compare(f"PEFT save_pretrained, {name}", self.folder / f"peft{is_safe}" / name, model)

    def check_kohya(self) -> None:
        unet = unet_with_adapter(self.base)
        state = {f"unet.{k}": v for k, v in get_peft_model_state_dict(unet).items()}
        self.compare("convert_state_dict_to_kohya", self.save("converted.safetensors", convert_state_dict_to_kohya(state)))
        pairs = pairs_of(unet, lambda path, rank: ALPHA)
        kohya = self.save("kohya.safetensors", kohya_tensors(pairs))
        self.compare("kohya, one alpha", kohya)
        half = {path: (a.half(), b.half(), alpha) for path, (a, b, alpha) in pairs.items()}
        self.compare("kohya, fp16", self.save("half.safetensors", kohya_tensors(half)), merged(self.base, half))
        # Not by diffusers' loader: it looks alphas that differ up under names that its attention modules do not have.
        mixed_unet = unet_with_adapter(self.base, rank_pattern={"to_k": 2, "proj_out": 7})
        mixed = pairs_of(mixed_unet, lambda path, rank: 1 + len(path) % 5)
        mixed_file = self.save("mixed.safetensors", kohya_tensors(mixed))
        self.compare("kohya, ranks and alphas that differ", mixed_file, merged(self.base, mixed))
        if not torch.equal(self.ours(mixed_file, "--lora-scale", "0"), self.ours_without_adapter()):
            raise SystemExit("strength 0 does not give the base model's bytes")
        back = self.convert(mixed_file, "kohya")
        if any(not torch.equal(tensor, load_file(back)[name]) for name, tensor in load_file(mixed_file).items()):
            raise SystemExit("kohya → kohya changes tensors")
        self.compare("adapter convert kohya → diffusers", self.convert(mixed_file, "diffusers"))
        self.compare("  and what diffusers reads is what the file meant", mixed_file, self.loaded_by_diffusers(self.convert(mixed_file, "diffusers")))

    def check_ours(self) -> None:
        pairs = pairs_of(unet_with_adapter(self.base), lambda path, rank: ALPHA)
        file = self.folder / "lora_weights.pt"
        torch.save({f"{path}.lora_{part}": ab["AB".index(part)] for path, ab in pairs.items() for part in "AB"}, file)
        description = {"format": "sdlora adapter 1", "rank": RANK, "alpha": ALPHA, "targets": "all", "step": 1, "base_model_sha256": ""}
        file.with_suffix(".json").write_text(json.dumps(description))
        reference = merged(self.base, pairs)
        self.compare("lora_weights.pt", file, reference)
        for naming in ("kohya", "diffusers"):
            out = self.convert(file, naming)
            self.compare(f"adapter convert lora_weights.pt → {naming}", out)
            self.compare("  and what diffusers reads is what the file meant", file, self.loaded_by_diffusers(out))

    def check_dora(self) -> None:
        unet = unet_with_adapter(self.base, lora_alpha=ALPHA, target_modules=[*ALL, "conv1", "conv_shortcut"], use_dora=True)
        draw = torch.Generator().manual_seed(9)
        for name, parameter in unet.named_parameters():
            if "lora_magnitude_vector" in name:
                parameter.data.normal_(1, 0.2, generator=draw)
        state = get_peft_model_state_dict(unet)
        saved = self.folder / "dora.safetensors"
        StableDiffusionPipeline.save_lora_weights(
            self.folder, state, weight_name=saved.name, **_collate_lora_metadata({"unet": unet}))
        self.compare("save_lora_weights, DoRA", saved, unet)
        file = self.folder / "dora_weights.pt"
        torch.save({name.removesuffix(".weight"): t.flatten() if "magnitude" in name else t for name, t in state.items()}, file)
        description = {"format": "sdlora adapter 1", "rank": RANK, "alpha": ALPHA, "targets": "full", "step": 1, "base_model_sha256": ""}
        file.with_suffix(".json").write_text(json.dumps(description))
        self.compare("DoRA, our .pt", file, unet)
        for naming in ("kohya", "diffusers"):
            out = self.convert(file, naming)
            self.compare(f"DoRA, adapter convert → {naming}", out, unet)
        self.compare("  and what diffusers reads is what the file meant", file, self.loaded_by_diffusers(out))
        again = load_file(self.convert(self.convert(file, "kohya"), "diffusers"))
        if any(not torch.equal(tensor, again[name]) for name, tensor in load_file(out).items()):
            raise SystemExit("DoRA: kohya → diffusers changes tensors")

    def ours_without_adapter(self) -> torch.Tensor:
        outputs = self.folder / "outputs.safetensors"
        arguments = ["--model", self.model, "--inputs", self.folder / "inputs.safetensors", "--outputs", outputs]
        subprocess.run([self.probe, *arguments], check=True, capture_output=True)
        return load_file(outputs)["unet.out"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", type=Path, required=True, help="build/bin/model_probe")
    parser.add_argument("--converter", type=Path, required=True, help="build/bin/adapter")
    arguments = parser.parse_args()
    model = make_model.cached(make_model.parse(["--size", "tiny", "--cache"]))
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        formats = Formats(arguments.probe, arguments.converter, model, Path(folder))
        for check in (formats.check_diffusers, formats.check_peft, formats.check_kohya, formats.check_ours, formats.check_dora):
            check()
    print(f"worst relative error {formats.worst:.2e}, allowed {TOLERANCE:.0e}")
    raise SystemExit(0 if formats.worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
