"""Compares UNet, VAE and text encoder with diffusers and transformers in fp32, on the same weights and inputs.

    python model_parity.py --size tiny --probe build/bin/model_probe
    python model_parity.py --model DIR --probe build/bin/model_probe

Prints for each tensor the greatest difference and the relative error ||ours - reference|| / ||reference||; fails above
1e-5. `--size full` makes Stable Diffusion 1.5 in every shape (4.3 GB, kept in ${SDLORA_HOME:-~/.cache/sdlora}/models),
needs 8 GB of memory and takes some minutes.
"""
import argparse
import gc
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
import make_model  # noqa: E402
import reference_model  # noqa: E402
from probe import run_probe  # noqa: E402

TOLERANCE = 1e-5

# Latent sizes [B, h, w]: square, not square, and such that a level has an odd side, where diffusers upsamples to the
# size of the skip connection.
UNET_LATENTS = [(2, 16, 16), (2, 40, 24), (1, 8, 32), (2, 17, 23), (1, 36, 28), (3, 9, 8)]
UNET_LATENTS_FULL = [(2, 40, 24), (1, 36, 28), (1, 64, 64)]
VAE_LATENTS = [(2, 8, 8), (1, 5, 12), (2, 16, 9)]
VAE_LATENTS_FULL = [(2, 16, 24), (1, 40, 33)]


class Parity:
    def __init__(self, probe: Path, model: Path, is_full: bool):
        self.probe, self.model = probe, model
        self.unet_latents = UNET_LATENTS_FULL if is_full else UNET_LATENTS
        self.vae_latents = VAE_LATENTS_FULL if is_full else VAE_LATENTS
        self.draw = torch.Generator().manual_seed(5)
        self.worst = 0.0

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self.draw)

    def ours(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        with tempfile.TemporaryDirectory() as folder:
            inputs_file = Path(folder) / "inputs.safetensors"
            save_file(inputs, inputs_file)
            return run_probe(self.probe, self.model, "--inputs", inputs_file)

    def compare(self, title: str, seen: torch.Tensor, reference: torch.Tensor) -> None:
        if seen.shape != reference.shape or seen.dtype != reference.dtype:
            raise SystemExit(f"{title}: {seen.dtype} {list(seen.shape)}, the reference {reference.dtype} {list(reference.shape)}")
        difference = seen.double() - reference.double()
        error = (difference.norm() / reference.double().norm()).item()
        is_bad = not error <= TOLERANCE  # NaN is bad, too
        self.worst = float("inf") if error != error else max(self.worst, error)
        print(f"  {title:34} max |diff| {difference.abs().max():.2e}  relative error {error:.2e}{'  TOO LARGE' if is_bad else ''}", flush=True)

    @torch.no_grad()
    def check_unet(self) -> None:
        unet = reference_model.load_unet(self.model)
        for batch, height, width in self.unet_latents:
            inputs = {
                "unet.sample": self.normal(batch, unet.config.in_channels, height, width),
                "unet.timestep": torch.randint(0, 1000, (batch,), generator=self.draw),
                "unet.encoder_hidden_states": self.normal(batch, 77, unet.config.cross_attention_dim),
            }
            seen = self.ours(inputs)["unet.out"]
            reference = unet(*inputs.values()).sample
            self.compare(f"unet.out {list(reference.shape)}", seen, reference)
            if unet.config.time_cond_proj_dim:
                guidance = self.normal(batch, unet.config.time_cond_proj_dim)
                seen = self.ours({**inputs, "unet.timestep_cond": guidance})["unet.out"]
                reference = unet(*inputs.values(), timestep_cond=guidance).sample
                self.compare(f"unet.out {list(reference.shape)}, guided", seen, reference)

    @torch.no_grad()
    def check_vae(self) -> None:
        vae = reference_model.load_vae(self.model)
        downscale = 2 ** (len(vae.config.block_out_channels) - 1)
        for batch, height, width in self.vae_latents:
            pixels = torch.rand(batch, 3, height * downscale, width * downscale, generator=self.draw) * 2 - 1
            latents = self.normal(batch, vae.config.latent_channels, height, width)
            seen = self.ours({"vae.pixels": pixels, "vae.latents": latents})
            posterior = vae.encode(pixels).latent_dist
            for name, reference in {"mean": posterior.mean, "std": posterior.std, "decoded": vae.decode(latents).sample}.items():
                self.compare(f"vae.{name} {list(reference.shape)}", seen[f"vae.{name}"], reference)

    @torch.no_grad()
    def check_text_encoder(self) -> None:
        text_encoder = reference_model.load_text_encoder(self.model)
        ids = torch.randint(0, text_encoder.config.vocab_size, (4, 77), generator=self.draw)
        ids[:, 0] = 49406
        ids[1, 9:] = 49407  # a short caption
        ids[2, 1:] = 49407  # the empty one
        reference = text_encoder(ids).last_hidden_state
        self.compare(f"text.hidden {list(reference.shape)}", self.ours({"text.input_ids": ids})["text.hidden"], reference)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", type=Path, required=True, help="build/bin/model_probe")
    parser.add_argument("--size", choices=make_model.SIZES, help="make this model, or take it from the cache")
    parser.add_argument("--model", type=Path, help="take this one instead")
    parser.add_argument("--dtype", choices=make_model.DTYPES, default="fp32", help="type of the stored weights")
    parser.add_argument("--variant", help="fp16 names the files *.fp16.safetensors")
    parser.add_argument("--max-shard-size", default="10GB")
    arguments = parser.parse_args()
    if bool(arguments.size) == bool(arguments.model):
        parser.error("one of --size and --model is needed")
    model = arguments.model
    if not model:
        options = ["--size", arguments.size, "--cache", "--dtype", arguments.dtype, "--max-shard-size", arguments.max_shard_size]
        model = make_model.cached(make_model.parse(options + (["--variant", arguments.variant] if arguments.variant else [])))
    parity = Parity(arguments.probe, model, is_full=arguments.size == "full")
    print(model)
    for check in (parity.check_unet, parity.check_vae, parity.check_text_encoder):
        start = time.perf_counter()
        check()
        gc.collect()  # one reference model in memory at a time
        print(f"  {check.__name__}: {time.perf_counter() - start:.1f} s", flush=True)
    print(f"worst relative error {parity.worst:.2e}, allowed {TOLERANCE:.0e}")
    raise SystemExit(0 if parity.worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
