"""Trains the UNet and the text encoder of tiny-sd from nothing on photographs of the demo's world, and saves the whole model
in diffusers' layout. It never sees ink.

    train_unet.py --vae DIR --out DIR [--from DIR] [--steps 5000] [--seed 0]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import time

import diffusers
import numpy as np
import torch
import transformers
from torch.nn import functional

from draw import photograph
from scene import IMAGE_SIZE, scenes

CONTEXT = 96
UNET = {
    "sample_size": IMAGE_SIZE // 8,
    "block_out_channels": [64, 96, 96],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": 4,  # in SD 1.5's files this is the number of heads
    "cross_attention_dim": CONTEXT,
    "norm_num_groups": 16,
}
TEXT = {
    "hidden_size": CONTEXT,
    "intermediate_size": 4 * CONTEXT,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "projection_dim": CONTEXT,
    "hidden_act": "quick_gelu",
}
SCHEDULER = {  # of SD 1.5
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
BATCH = 32
EMPTY_CAPTIONS = 0.1  # share, for classifier-free guidance (Ho and Salimans 2022)


@torch.no_grad()
def encode(vae, every):
    """Posterior mean and std of each scene's photograph, scaled as the UNet sees them: two of [N, 4, 12, 12]."""
    means, stds = [], []
    for start in range(0, len(every), 64):
        pictures = np.stack([photograph(scene) for scene in every[start : start + 64]])
        signed = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        posterior = vae.encode(signed.contiguous(memory_format=torch.channels_last)).latent_dist
        means.append(posterior.mean * vae.config.scaling_factor)
        stds.append(posterior.std * vae.config.scaling_factor)
    return torch.cat(means), torch.cat(stds)


def tokenize(tokenizer, captions):
    return tokenizer(captions, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


class Average:
    """Exponential moving average of parameters (Polyak averaging), slower as the run grows."""

    def __init__(self, modules):
        self.parameters = [p for module in modules for p in module.parameters()]
        self.averages = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step):
        decay = min(0.9985, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - decay)

    def swap(self):
        for parameter, average in zip(self.parameters, self.averages):
            parameter.data, average.data = average.data, parameter.data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vae", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--from", dest="start", type=pathlib.Path, help="an earlier result to go on from")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--pictures", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=500)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    tokenizer_folder = arguments.out / "tokenizer"
    maker = pathlib.Path(__file__).with_name("make_tokenizer.py")
    subprocess.run([sys.executable, maker, "--out", tokenizer_folder], check=True)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(tokenizer_folder)
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = transformers.CLIPTextModel(transformers.CLIPTextConfig(vocab_size=len(tokenizer), **marks, **TEXT))
    unet = diffusers.UNet2DConditionModel(**UNET)
    if arguments.start:
        text = transformers.CLIPTextModel.from_pretrained(arguments.start, subfolder="text_encoder").float()
        unet = diffusers.UNet2DConditionModel.from_pretrained(arguments.start, subfolder="unet").float()
    print(f"UNet {sum(p.numel() for p in unet.parameters()):,} parameters, "
          f"text encoder {sum(p.numel() for p in text.parameters()):,}", flush=True)
    vae = diffusers.AutoencoderKL.from_pretrained(arguments.vae).to(memory_format=torch.channels_last)
    started = time.time()
    every = scenes(arguments.pictures, 200 + arguments.seed, held_out=False)
    means, stds = encode(vae, every)
    captions = sorted({scene.kind.caption() for scene in every})
    ids = tokenize(tokenizer, [*captions, ""])
    caption_of = torch.tensor([captions.index(scene.kind.caption()) for scene in every])
    print(f"{len(every)} pictures, {len(captions)} captions, encoded in {time.time() - started:.0f} s; "
          f"latents' std {means.std().item():.3f}", flush=True)

    noise_schedule = diffusers.DDPMScheduler(**{k: v for k, v in SCHEDULER.items() if k in ("beta_schedule", "beta_start", "beta_end")})
    parameters = [*unet.parameters(), *text.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=arguments.steps, pct_start=0.04)
    average = Average([unet, text])
    recent = None
    for step in range(1, arguments.steps + 1):
        chosen = torch.randint(0, len(every), (BATCH,))
        latents = means[chosen] + stds[chosen] * torch.randn(BATCH, *means.shape[1:])
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, 1000, (BATCH,))
        said = torch.where(torch.rand(BATCH) < EMPTY_CAPTIONS, len(captions), caption_of[chosen])
        unique, where = said.unique(return_inverse=True)
        context = text(ids[unique]).last_hidden_state[where]
        noisy = noise_schedule.add_noise(latents, noise, timesteps)
        loss = functional.mse_loss(unet(noisy, timesteps, context).sample, noise)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        pace.step()
        average.update(step)
        recent = loss.item() if recent is None else 0.99 * recent + 0.01 * loss.item()
        if step % 100 == 0:
            print(f"step {step} loss {recent:.4f} ({time.time() - started:.0f} s)", flush=True)
        if step % arguments.save_every == 0 or step == arguments.steps:
            average.swap()
            save(arguments.out, unet, text, vae)
            average.swap()


def save(out, unet, text, vae):
    """Half precision: 12 MB would not hold it otherwise."""
    for part, folder in ((unet, "unet"), (text, "text_encoder"), (vae, "vae")):
        half = type(part)(part.config) if folder == "text_encoder" else type(part).from_config(part.config)
        half.load_state_dict(part.state_dict())
        half.half().save_pretrained(out / folder)
    (out / "scheduler").mkdir(exist_ok=True)
    scheduler = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", **SCHEDULER, "clip_sample": False, "trained_betas": None}
    (out / "scheduler/scheduler_config.json").write_text(json.dumps(scheduler, indent=2))
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
    (out / "model_index.json").write_text(json.dumps(index, indent=2))


if __name__ == "__main__":
    main()
