"""Trains judge.safetensors on drawn scenes of both styles, blurred and noised so that it does not mind how sharp a picture is.

    train_judge.py [--steps 2500] [--seed 0]
"""
import argparse
import time

import numpy as np
import safetensors.torch
import torch
from torch.nn import functional

from draw import ink, photograph
from judge import NAMES, WEIGHTS, Judge
from scene import IMAGE_SIZE, scenes

SCENES = 6000
BATCH = 64


def labels_of(every):
    labels = {name: torch.tensor([values.index(getattr(s.kind, name)) for s in every]) for name, values in NAMES.items()}
    labels["place"] = torch.tensor([[s.x / IMAGE_SIZE, s.y / IMAGE_SIZE] for s in every], dtype=torch.float32)
    return labels


def signed(pictures):
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def spoil(pictures):
    """Blur of half of them, noise and contrast of all."""
    count = len(pictures)
    blurred = functional.avg_pool2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    mixed = torch.lerp(pictures, blurred, torch.rand(count, 1, 1, 1) * (torch.rand(count, 1, 1, 1) < 0.5))
    contrast = 1 + 0.15 * torch.randn(count, 1, 1, 1)
    return (mixed * contrast + 0.06 * torch.randn_like(mixed) + 0.05 * torch.randn(count, 3, 1, 1)).clamp(-1, 1)


def loss_of(said, labels, is_photograph):
    losses = [functional.cross_entropy(said[name], labels[name]) for name in ("shape", "size")]
    for name in ("colour", "ground"):  # ink has none
        losses.append((functional.cross_entropy(said[name], labels[name], reduction="none") * is_photograph).mean())
    return sum(losses) + 20 * functional.smooth_l1_loss(said["place"], labels["place"], beta=0.05)


@torch.no_grad()
def accuracy(judge, pictures, labels, names):
    said = judge(pictures)
    right = {name: f"{(said[name].argmax(dim=1) == labels[name]).float().mean().item():.2%}" for name in names}
    right["place error"] = f"{(said['place'] - labels['place']).norm(dim=1).mean().item() * IMAGE_SIZE:.2f} px"
    return right


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    # All combinations: the judge is the measure, not what is measured.
    known = scenes(SCENES // 2, 500, held_out=False) + scenes(SCENES // 2, 501, held_out=True)
    labels = labels_of(known)
    by_style = {style: signed([style(scene) for scene in known]) for style in (photograph, ink)}
    unseen = scenes(600, 901, held_out=True)
    unseen_labels = labels_of(unseen)
    judge = Judge()
    print(f"{sum(p.numel() for p in judge.parameters())} parameters")
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.02)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=arguments.steps, pct_start=0.1)
    started = time.time()
    for step in range(1, arguments.steps + 1):
        chosen = torch.randint(0, len(known), (BATCH,))
        is_photograph = (torch.rand(BATCH) < 0.5).float()
        mask = is_photograph[:, None, None, None]
        pictures = by_style[photograph][chosen] * mask + by_style[ink][chosen] * (1 - mask)
        loss = loss_of(judge(spoil(pictures)), {n: l[chosen] for n, l in labels.items()}, is_photograph)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pace.step()
        if step % 500 == 0:
            print(f"step {step} loss {loss.item():.3f} ({time.time() - started:.0f} s)", flush=True)
            print("  photographs", accuracy(judge, signed([photograph(s) for s in unseen]), unseen_labels, NAMES))
            print("  ink        ", accuracy(judge, signed([ink(s) for s in unseen]), unseen_labels, ("shape", "size")))
    safetensors.torch.save_file({n: w.half().contiguous() for n, w in judge.state_dict().items()}, WEIGHTS)


if __name__ == "__main__":
    main()
