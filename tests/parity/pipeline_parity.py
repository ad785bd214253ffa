"""Compares generate with diffusers' StableDiffusionPipeline and StableDiffusionImg2ImgPipeline on the same weights, prompts and
noise: the latents before decoding, and the pictures.

    pipeline_parity.py --size tiny --generate build/bin/generate

A row for each case: the greatest difference and the relative error ||ours - reference|| / ||reference|| of the final latents; fails
above 1e-4. Where a case names seeds, both sides draw their own noise: diffusers from a list of generators, ours from --seed; the
noise of each ancestral step comes from the same generators. Image-to-image starts from the posterior's mean on both sides.
`--size full` is Stable Diffusion 1.5 in every shape (model_parity.py).
"""
import argparse
import copy
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
import make_model  # noqa: E402
import reference_model  # noqa: E402
from chunked_texts import embedding_of  # noqa: E402
from generate_program import Generate  # noqa: E402

from diffusers import (  # noqa: E402
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img as img2img_module  # noqa: E402
from transformers import CLIPTokenizer  # noqa: E402

TOLERANCE = 1e-4
PROMPT, NEGATIVE = "a lighthouse on a cliff, ink drawing, stormy sea", "blurry, text"
LONG_PROMPT = "a very long prompt about many things, " * 12
SCHEDULERS = {"dpmpp_2m": DPMSolverMultistepScheduler, "ddim": DDIMScheduler, "euler_a": EulerAncestralDiscreteScheduler}
SCHEDULER_KEYS = ("prediction_type", "timestep_spacing", "rescale_betas_zero_snr", "beta_schedule")
LORA_RANK, LORA_ALPHA, LORA_SCALE = 4, 8, 0.7

SMALL_CASES = [
    {"sampler": "dpmpp_2m"},
    {"sampler": "ddim"},
    {"sampler": "euler_a", "seed": 11},
    {"sampler": "dpmpp_2m", "seed": 5, "count": 3, "batch_size": 2},
    {"sampler": "euler_a", "seed": 2**40, "count": 3, "batch_size": 2},
    {"sampler": "dpmpp_2m", "karras": True},
    {"sampler": "dpmpp_2m", "guidance": 1.0},
    {"sampler": "dpmpp_2m", "guidance": 7.5, "negative": NEGATIVE, "width": 80, "height": 128},
    {"sampler": "dpmpp_2m", "prompt": LONG_PROMPT},
    {"sampler": "dpmpp_2m", "clip_skip": 2, "negative": NEGATIVE},
    {"sampler": "dpmpp_2m", "prompt": LONG_PROMPT, "max_token_length": 150, "negative": NEGATIVE},
    {"sampler": "dpmpp_2m", "prompt": "", "steps": 7, "width": 136, "height": 72},
    {"sampler": "ddim", "guidance": 3.0, "negative": NEGATIVE, "steps": 50},
    {"sampler": "dpmpp_2m", "lora": True},
    {"sampler": "euler_a", "lora": True, "seed": 3, "negative": NEGATIVE},
    {"sampler": "dpmpp_2m", "strength": 0.65},
    {"sampler": "ddim", "strength": 0.65, "negative": NEGATIVE},
    {"sampler": "euler_a", "strength": 0.65, "seed": 4},
    {"sampler": "dpmpp_2m", "strength": 0.65, "karras": True, "lora": True, "seed": 9},
    {"sampler": "dpmpp_2m", "strength": 1.0, "width": 96, "height": 72},
    {"sampler": "ddim", "strength": 0.05},
    {"sampler": "dpmpp_2m", "prediction_type": "v_prediction"},
    {"sampler": "dpmpp_2m", "prediction_type": "v_prediction", "timestep_spacing": "trailing", "rescale_betas_zero_snr": True},
    {"sampler": "ddim", "prediction_type": "v_prediction", "timestep_spacing": "trailing", "rescale_betas_zero_snr": True},
    {"sampler": "euler_a", "beta_schedule": "squaredcos_cap_v2", "seed": 2},
    {"sampler": "ddim", "prediction_type": "v_prediction", "strength": 0.65},
    {"sampler": "euler_a", "prediction_type": "v_prediction", "seed": 1},
    {"sampler": "dpmpp_2m", "timestep_spacing": "leading"},
    {"sampler": "dpmpp_2m", "timestep_spacing": "trailing", "steps": 13},
    {"sampler": "euler_a", "timestep_spacing": "leading", "seed": 8},
]


def odd_cases(cell):
    """cell: pixels of a latent's side. As many latents as take a few seconds: of 2 pixels each, 104 x 152 had 3,952, and took 2.5 minutes."""
    short, long = (104, 152) if cell > 2 else (40, 56)
    return [
        {"sampler": "dpmpp_2m"},
        {"sampler": "dpmpp_2m", "negative": NEGATIVE, "width": short, "height": long, "lora": True},
        {"sampler": "euler_a", "strength": 0.65, "seed": 4, "width": long, "height": short},
    ]


FULL_CASES = [
    {"sampler": "dpmpp_2m", "steps": 3, "width": 512, "height": 640},
    {"sampler": "ddim", "steps": 4, "width": 512, "height": 512, "strength": 0.5, "lora": True},
]


class Reference:
    """diffusers' pipelines over the model's parts."""

    def __init__(self, model: Path):
        self.parts = {
            "unet": reference_model.load_unet(model),
            "vae": reference_model.load_vae(model),
            "text_encoder": reference_model.load_text_encoder(model),
            "tokenizer": CLIPTokenizer.from_pretrained(model / "tokenizer"),
        }
        self.scheduler_config = json.loads((model / "scheduler" / "scheduler_config.json").read_text())
        encode = self.parts["vae"].encode

        def encode_to_mean(pixels, **options):
            posterior = encode(pixels, **options)
            posterior.latent_dist.sample = lambda generator=None: posterior.latent_dist.mode()
            return posterior

        self.parts["vae"].encode = encode_to_mean

    def pipeline(self, case: dict, config: dict):
        scheduler = SCHEDULERS[case["sampler"]].from_config(config, **({"use_karras_sigmas": True} if case.get("karras") else {}))
        kind = StableDiffusionImg2ImgPipeline if "strength" in case else StableDiffusionPipeline
        pipeline = kind(**self.parts, scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @torch.no_grad()
    def latents(self, case: dict, config: dict, unet, noise: torch.Tensor | None, image: Image.Image) -> torch.Tensor:
        pipeline = self.pipeline(case, config)
        pipeline.unet = unet
        options = {"prompt": case["prompt"], "num_inference_steps": case["steps"], "guidance_scale": case["guidance"],
                   "negative_prompt": case["negative"], "num_images_per_prompt": case["count"], "output_type": "latent"}  # fmt: skip
        if "clip_skip" in case or "max_token_length" in case:
            for name in ("prompt", "negative_prompt"):
                embedding = embedding_of(options.pop(name), self.parts["tokenizer"], self.parts["text_encoder"],
                                         case.get("max_token_length", 75), case.get("clip_skip", 1))  # fmt: skip
                options[f"{name}_embeds"] = embedding[None]
        if noise is None:
            options["generator"] = [torch.Generator().manual_seed(case["seed"] + i) for i in range(case["count"])]
        if "strength" not in case:
            return pipeline(**options, height=case["height"], width=case["width"], latents=noise).images
        draw = img2img_module.randn_tensor
        if noise is not None:
            img2img_module.randn_tensor = lambda *arguments, **keywords: noise
        try:
            return pipeline(**options, image=image, strength=case["strength"]).images
        finally:
            img2img_module.randn_tensor = draw

    @torch.no_grad()
    def picture(self, latents: torch.Tensor) -> np.ndarray:
        pixels = self.parts["vae"].decode(latents[:1] / self.parts["vae"].config.scaling_factor).sample[0]
        return ((pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


def write_random_adapter(unet, file: Path):
    """An adapter as the trainer writes it; returns a copy of `unet` with it merged at LORA_SCALE."""
    draw = torch.Generator().manual_seed(2)
    merged, tensors = copy.deepcopy(unet), {}
    for path, module in merged.named_modules():
        if not path.endswith(("to_q", "to_k", "to_v", "to_out.0")):
            continue
        out_features, in_features = module.weight.shape
        a = torch.randn(LORA_RANK, in_features, generator=draw) / in_features**0.5
        b = torch.randn(out_features, LORA_RANK, generator=draw) * 0.1
        tensors |= {f"{path}.lora_A": a, f"{path}.lora_B": b}
        module.weight.data += LORA_SCALE * LORA_ALPHA / LORA_RANK * (b @ a)
    torch.save(tensors, file)
    description = {"format": "sdlora adapter 1", "rank": LORA_RANK, "alpha": LORA_ALPHA, "targets": "attn", "step": 1,
                   "base_model_sha256": ""}  # fmt: skip
    file.with_suffix(".json").write_text(json.dumps(description))
    return merged


def model_with_scheduler(model: Path, config: dict, folder: Path) -> Path:
    """The model with another scheduler file."""
    folder.mkdir()
    for part in model.iterdir():
        if part.name != "scheduler":
            (folder / part.name).symlink_to(part)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    return folder


class Parity:
    def __init__(self, program: Path, model: Path, folder: Path, cpu_threads: int):
        self.program, self.model, self.folder, self.cpu_threads = program, model, folder, cpu_threads
        self.reference = Reference(model)
        self.adapter = folder / "adapter.pt"
        self.lora_unet = write_random_adapter(self.reference.parts["unet"], self.adapter)
        self.cell = 2 ** (len(self.reference.parts["vae"].config.block_out_channels) - 1)
        self.worst = 0.0

    def start_image(self, case: dict) -> Image.Image:
        rows, columns = np.mgrid[0 : case["height"], 0 : case["width"]]
        pixels = np.stack([rows % 256, columns % 256, (rows * columns // 16) % 256], axis=-1).astype(np.uint8)
        return Image.fromarray(pixels)

    def check(self, number: int, changes: dict) -> None:
        case = {"prompt": PROMPT, "negative": "", "steps": 25, "guidance": 7.5, "count": 1, "batch_size": 1, "width": 64,
                "height": 64, **changes}  # fmt: skip
        config = self.reference.scheduler_config | {k: case[k] for k in SCHEDULER_KEYS if k in case}
        model = model_with_scheduler(self.model, config, self.folder / f"model-{number}")
        shape = (case["count"], 4, case["height"] // self.cell, case["width"] // self.cell)
        noise = None if "seed" in case else torch.randn(shape, generator=torch.Generator().manual_seed(number))
        options = {"prompt": case["prompt"], "negative_prompt": case["negative"], "steps": case["steps"], "sampler": case["sampler"],
                   "guidance_scale": case["guidance"], "width": case["width"], "height": case["height"],
                   "num_images": case["count"], "batch_size": case["batch_size"]}  # fmt: skip
        image = self.start_image(case)
        if "seed" in case:
            options["seed"] = case["seed"]
        if case.get("karras"):
            options["karras_sigmas"] = True
        options |= {name: case[name] for name in ("clip_skip", "max_token_length") if name in case}
        if case.get("lora"):
            options |= {"lora": self.adapter, "lora_scale": LORA_SCALE}
        if "strength" in case:
            image.save(self.folder / "start.png")
            options |= {"init_image": self.folder / "start.png", "strength": case["strength"]}
        output = self.folder / f"{number}.png"
        seen = Generate(self.program, model, self.cpu_threads).run(output, noise, **options)
        unet = self.lora_unet if case.get("lora") else self.reference.parts["unet"]
        expected = self.reference.latents(case, config, unet, noise, image)
        self.compare(changes, seen, expected, output if case["count"] == 1 else output.with_name(f"{number}-0.png"))

    def compare(self, changes: dict, seen: torch.Tensor, expected: torch.Tensor, output: Path) -> None:
        if seen.shape != expected.shape:
            raise SystemExit(f"{changes}: {list(seen.shape)}, the reference {list(expected.shape)}")
        difference = (seen - expected).double()
        error = (difference.norm() / expected.double().norm()).item()
        picture = np.asarray(Image.open(output)).astype(int)
        pixel_difference = np.abs(picture - self.reference.picture(expected)).max()
        is_bad = not error <= TOLERANCE or pixel_difference > 1
        self.worst = float("inf") if is_bad else max(self.worst, error)
        title = " ".join(f"{k}={v}" if k != "prompt" else f"prompt of {len(v)}" for k, v in changes.items())
        print(f"  {title:75} max |diff| {difference.abs().max():.1e} of {expected.abs().max():.1f}  relative error {error:.1e}"
              f"  pixels {pixel_difference}/255{'  TOO LARGE' if is_bad else ''}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generate", type=Path, required=True, help="build/bin/generate")
    parser.add_argument("--size", choices=make_model.SIZES, required=True)
    arguments = parser.parse_args()
    is_full = arguments.size == "full"
    if not is_full:
        torch.set_num_threads(1)
    model = make_model.cached(make_model.parse(["--size", arguments.size, "--cache"]))
    print(model)
    with tempfile.TemporaryDirectory() as folder:
        parity = Parity(arguments.generate, model, Path(folder), cpu_threads=0 if is_full else 1)
        cases = FULL_CASES if is_full else SMALL_CASES if arguments.size == "tiny" else odd_cases(parity.cell)
        for number, changes in enumerate(cases):
            parity.check(number, changes)
    print(f"worst relative error {parity.worst:.1e}, allowed {TOLERANCE:.0e}")
    raise SystemExit(0 if parity.worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
