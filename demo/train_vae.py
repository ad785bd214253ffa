"""Trains the autoencoder of tiny-sd (diffusers' AutoencoderKL) from nothing, on both styles of the demo's world.

    train_vae.py --out DIR [--from DIR] [--steps 2000] [--seed 0]

What makes a small autoencoder train in minutes: convolutions that start with variance 1 / fan-in and residual branches at
a tenth, a posterior that starts narrow, a learning rate of 1e-3, and crops first, whole pictures at the end.
"""
import argparse
import math
import pathlib
import time

import diffusers
import numpy as np
import torch

from draw import ink, photograph
from scene import IMAGE_SIZE, scenes

CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": [16, 32, 64, 96],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "sample_size": IMAGE_SIZE,
}
CROP = 64  # pixels; a third of the work of a whole picture
BATCH = 16
KL_WEIGHT = 2e-4  # per latent value


def start_calmly(vae):
    for name, module in vae.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            fan_in = module.weight[0].numel()
            gain = 0.1 if name.endswith("resnets.0.conv2") or name.endswith("resnets.1.conv2") else 1
            torch.nn.init.normal_(module.weight, std=gain / math.sqrt(fan_in))
            torch.nn.init.zeros_(module.bias)
    with torch.no_grad():
        vae.quant_conv.weight[4:] *= 0.1
        vae.quant_conv.bias[4:] = -4


def slopes(pictures):
    return pictures[..., 1:] - pictures[..., :-1], pictures[..., 1:, :] - pictures[..., :-1, :]


def reconstruction_loss(decoded, pictures):
    difference = decoded - pictures
    slope_loss = sum((a - b).abs().mean() for a, b in zip(slopes(decoded), slopes(pictures)))
    return difference.abs().mean() + 2 * difference.square().mean() + 0.5 * slope_loss


def draw_all(count, seed, held_out):
    """[2 * count, 3, 96, 96] uint8: photographs and ink drawings of the same scenes, in turn."""
    pictures = [draw(scene) for scene in scenes(count, seed, held_out) for draw in (photograph, ink)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def to_signed(pictures):
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def crop_of(pictures, is_whole):
    if is_whole:
        return pictures
    x, y = torch.randint(0, IMAGE_SIZE - CROP + 1, (2,)).div(8, rounding_mode="floor").mul(8).tolist()
    return pictures[..., y : y + CROP, x : x + CROP]  # crops start on latent cells, as whole pictures do


@torch.no_grad()
def psnr(vae, pictures):
    """Decibels of the photographs and of the ink drawings, from the posterior's mean."""
    errors = []
    for some in to_signed(pictures).split(32):
        decoded = vae.decode(vae.encode(some).latent_dist.mean).sample.clamp(-1, 1)
        errors.append(((decoded - some) / 2).square().mean(dim=(1, 2, 3)))
    decibels = -10 * torch.cat(errors).log10()
    return decibels[0::2].mean().item(), decibels[1::2].mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--from", dest="start", type=pathlib.Path, help="an earlier result to go on from")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--scenes", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    if arguments.start:
        vae = diffusers.AutoencoderKL.from_pretrained(arguments.start)
    else:
        vae = diffusers.AutoencoderKL(**CONFIG)
        start_calmly(vae)
    vae = vae.to(memory_format=torch.channels_last)
    pictures = draw_all(arguments.scenes, seed=100 + arguments.seed, held_out=False)
    unseen = draw_all(96, seed=900, held_out=True)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=arguments.steps, pct_start=0.05)
    started = time.time()
    for step in range(1, arguments.steps + 1):
        is_whole = step > 0.8 * arguments.steps
        batch = to_signed(crop_of(pictures[torch.randint(0, len(pictures), (BATCH,))], is_whole))
        with torch.autocast("cpu", torch.bfloat16, enabled=not is_whole):
            posterior = vae.encode(batch).latent_dist
            decoded = vae.decode(posterior.sample()).sample
        kl = 0.5 * (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean()
        loss = reconstruction_loss(decoded.float(), batch) + KL_WEIGHT * kl
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        pace.step()
        if step % 200 == 0 or step == arguments.steps:
            photo_db, ink_db = psnr(vae, unseen)
            print(f"step {step} loss {loss.item():.4f} held-out PSNR {photo_db:.1f} dB, ink {ink_db:.1f} dB "
                  f"({time.time() - started:.0f} s)", flush=True)
            save(vae, pictures, arguments.out)


@torch.no_grad()
def save(vae, pictures, out):
    photographs = to_signed(pictures[0:512:2])
    latents = torch.cat([vae.encode(some).latent_dist.mean for some in photographs.split(32)])
    vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 4))
    vae.save_pretrained(out)


if __name__ == "__main__":
    main()
