"""One model in every container: what model_probe says must be the same bytes for each, and diffusers' from_single_file
must agree with it.

    python checkpoint_files.py --size file1 --probe build/bin/model_probe

Prints each container and the greatest relative error against diffusers; fails above 1e-5 or at the first differing byte.
`--size full` and `--size full2` are Stable Diffusion 1.5 and 2.1 in every shape (16 GB of disk, 12 GB of memory, minutes).
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
import ldm_layout  # noqa: E402
import make_model  # noqa: E402
from probe import run_probe  # noqa: E402

TOLERANCE = 1e-5
CAPTIONS = ["", "a red circle, ink on paper!", "Émile's 2 cats & a dog: " + "word " * 100, "hello!!! !wow"]


class ModelCheckpoint:
    """Stands for Lightning's class, which original files have as a key of a dictionary."""

    __module__ = "pytorch_lightning.callbacks.model_checkpoint"


def lightning_file(state: dict[str, torch.Tensor], file: Path) -> None:
    module = type(sys)("pytorch_lightning.callbacks.model_checkpoint")
    module.ModelCheckpoint = ModelCheckpoint
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        sys.modules.setdefault(name, type(sys)(name))
    sys.modules[module.__name__] = module
    ModelCheckpoint.__qualname__ = "ModelCheckpoint"
    extras = {
        "epoch": 6,
        "global_step": 470000,
        "pytorch-lightning_version": "1.4.2",
        "callbacks": {ModelCheckpoint: {"monitor": "val/loss", "best_model_score": torch.tensor(0.1), "current_score": None, "dirpath": "/x"}},
        "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0]}]}],
        "lr_schedulers": [{"last_epoch": 6, "lr_lambdas": [None]}],
    }
    torch.save(extras | {"state_dict": state}, file)


def in_dtype(model: Path, dtype: torch.dtype, out: Path) -> Path:
    """The folder with its weights in another type."""
    for file in model.rglob("*"):
        copy = out / file.relative_to(model)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".safetensors":
            save_file({n: t.to(dtype) if t.is_floating_point() else t for n, t in load_file(file).items()}, copy)
        elif file.is_file():
            copy.write_bytes(file.read_bytes())
    return out


def as_bin(model: Path, out: Path) -> Path:
    """As diffusers saved folders before safetensors."""
    for file in model.rglob("*"):
        copy = out / file.relative_to(model)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".safetensors":
            name = "pytorch_model.bin" if file.parent.name == "text_encoder" else "diffusion_pytorch_model.bin"
            torch.save(load_file(file), copy.with_name(name))
        elif file.is_file():
            copy.write_bytes(file.read_bytes())
    return out


def inputs_for(model: Path) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(11)
    configs = {part: json.loads((model / part / "config.json").read_text()) for part in ("unet", "vae", "text_encoder")}
    side = 8 * 2 ** (len(configs["vae"]["block_out_channels"]) - 1)
    ids = torch.randint(0, 49408, (2, 77), generator=draw)
    return {
        "unet.sample": torch.randn(1, 4, 16, 8, generator=draw),
        "unet.timestep": torch.tensor([481]),
        "unet.encoder_hidden_states": torch.randn(1, 77, configs["unet"]["cross_attention_dim"], generator=draw),
        "vae.pixels": torch.rand(1, 3, side, side, generator=draw) * 2 - 1,
        "vae.latents": torch.randn(1, 4, 8, 8, generator=draw),
        "text.input_ids": ids,
    }


class Containers:
    def __init__(self, probe: Path, model: Path, folder: Path):
        self.probe, self.model, self.folder = probe, model, folder
        self.inputs = inputs_for(model)
        self.inputs_file, self.captions_file = folder / "inputs.safetensors", folder / "captions.txt"
        save_file(self.inputs, self.inputs_file)
        self.captions_file.write_text("\n".join(CAPTIONS) + "\n")
        self.count = 0

    def say(self, model: Path) -> dict[str, torch.Tensor]:
        return run_probe(self.probe, model, "--inputs", self.inputs_file) | run_probe(self.probe, model, "--prompts", self.captions_file)

    def check_same(self, title: str, container: Path, expected: dict[str, torch.Tensor], remove: bool = True) -> None:
        seen = self.say(container)
        if seen.keys() != expected.keys():
            raise SystemExit(f"{title}: {sorted(seen)}, the folder {sorted(expected)}")
        for name in expected:
            if not torch.equal(seen[name], expected[name]):
                difference = (seen[name].double() - expected[name].double()).abs().max()
                raise SystemExit(f"{title}: {name} differs from the folder's, by up to {difference:.2e}")
        print(f"  {title:58} the same bytes in {len(expected)} tensors", flush=True)
        self.count += 1
        if remove and container.is_file():
            container.unlink()

    def check_dtype(self, dtype_name: str, dtype: torch.dtype) -> None:
        model = self.model if dtype == torch.float32 else in_dtype(self.model, dtype, self.folder / dtype_name)
        expected = self.say(model)
        state = {n: t.to(dtype) if t.is_floating_point() else t for n, t in ldm_layout.to_ldm(model).items()}
        file = self.folder / "model.safetensors"
        save_file(state | ldm_layout.schedule_tables(), file)
        self.check_same(f"{dtype_name} .safetensors", file, expected)
        if dtype == torch.float16:
            return
        file = self.folder / "model.ckpt"
        lightning_file(state | ldm_layout.schedule_tables(), file)
        self.check_same(f"{dtype_name} .ckpt of Lightning", file, expected)

    def check_forms(self) -> None:
        """Other prefixes, EMA, left-overs of training; names that people give such files."""
        expected = self.say(self.model)
        state = ldm_layout.to_ldm(self.model)
        save_file(state | ldm_layout.ema_of(state), self.folder / "ema.safetensors")
        self.check_same("with other values under model_ema.", self.folder / "ema.safetensors", expected)
        forms = {
            "state_dict. before every name": lambda n: "state_dict." + n,
            "vae. in place of first_stage_model.": lambda n: n.replace("first_stage_model.", "vae."),
            "conditioner.embedders.0.": lambda n: n.replace("cond_stage_model.", "conditioner.embedders.0."),
            "without text_model.": lambda n: n.replace(".transformer.text_model.", ".transformer."),
            "net. before the UNet": lambda n: n.replace("model.diffusion_model.", "net."),
        }
        for title, rename in forms.items():
            save_file({rename(n): t for n, t in state.items()}, self.folder / "form.safetensors")
            self.check_same(title, self.folder / "form.safetensors", expected)
        torch.save({n: torch.nn.Parameter(t) if t.is_floating_point() else t for n, t in state.items()}, self.folder / "plain.pt")
        self.check_same("a plain dict of parameters, .pt", self.folder / "plain.pt", expected)
        torch.save({"state_dict": state}, self.folder / "old.ckpt", _use_new_zipfile_serialization=False)
        self.check_same("as torch before 1.6 saved", self.folder / "old.ckpt", expected)
        self.check_same("a folder of .bin files", as_bin(self.model, self.folder / "bin"), expected)
        vae = {n.removeprefix("first_stage_model."): t for n, t in state.items() if n.startswith("first_stage_model.")}
        save_file({n: t for n, t in state.items() if not n.startswith("first_stage_model.")}, self.folder / "no-vae.safetensors")
        torch.save({"state_dict": vae | {"loss.logvar": torch.zeros(1)}}, self.folder / "vae.pt")
        self.check_with_vae("a file without VAE, --vae with one alone", "no-vae.safetensors", self.folder / "vae.pt", expected)
        self.check_with_vae("--vae with a folder", "no-vae.safetensors", self.model / "vae", expected)

    def check_with_vae(self, title: str, name: str, vae: Path, expected: dict[str, torch.Tensor]) -> None:
        seen = run_probe(self.probe, self.folder / name, "--inputs", self.inputs_file, "--vae", vae)
        if not all(torch.equal(seen[n], expected[n]) for n in seen):
            raise SystemExit(f"{title}: not the same bytes")
        print(f"  {title:58} the same bytes in {len(seen)} tensors", flush=True)
        self.count += 1

    @torch.no_grad()
    def check_against_diffusers(self) -> float:
        """From the same file: UNet and VAE by from_single_file with the folder's configs, text encoder by its converter."""
        from diffusers import AutoencoderKL, UNet2DConditionModel

        file = self.folder / "diffusers.safetensors"
        save_file(ldm_layout.to_ldm(self.model), file)
        seen, worst = self.say(file), 0.0

        def compare(name: str, reference: torch.Tensor) -> float:
            error = ((seen[name].double() - reference.double()).norm() / reference.double().norm()).item()
            print(f"  {name:34} relative error {error:.2e} to diffusers' from_single_file", flush=True)
            return error

        if isinstance(json.loads((self.model / "unet/config.json").read_text())["layers_per_block"], list):
            print("  unet.out: diffusers' converter takes one number of layers for all levels; compared with its folder above")
        else:
            unet = UNet2DConditionModel.from_single_file(str(file), config=str(self.model), subfolder="unet").eval()
            out = unet(self.inputs["unet.sample"], self.inputs["unet.timestep"], self.inputs["unet.encoder_hidden_states"]).sample
            worst = max(worst, compare("unet.out", out))
            del unet
        vae = AutoencoderKL.from_single_file(str(file), config=str(self.model), subfolder="vae").eval()
        worst = max(worst, compare("vae.mean", vae.encode(self.inputs["vae.pixels"]).latent_dist.mean))
        worst = max(worst, compare("vae.decoded", vae.decode(self.inputs["vae.latents"]).sample))
        del vae
        from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
        from transformers import CLIPTextModel

        checkpoint = load_file(file)
        text = create_diffusers_clip_model_from_ldm(CLIPTextModel, checkpoint=checkpoint, config=str(self.model), subfolder="text_encoder", local_files_only=True).eval()
        worst = max(worst, compare("text.hidden", text(self.inputs["text.input_ids"]).last_hidden_state))
        return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", type=Path, required=True, help="build/bin/model_probe")
    parser.add_argument("--size", choices=make_model.SIZES, required=True)
    arguments = parser.parse_args()
    model = make_model.cached(make_model.parse(["--size", arguments.size, "--cache"]))
    with tempfile.TemporaryDirectory() as folder:
        containers = Containers(arguments.probe, model, Path(folder))
        for name, dtype in make_model.DTYPES.items():
            containers.check_dtype(name, dtype)
        containers.check_forms()
        worst = containers.check_against_diffusers()
    print(f"{containers.count} containers with the same bytes; worst relative error to diffusers {worst:.2e}, allowed {TOLERANCE:.0e}")
    raise SystemExit(0 if worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
