"""Reads what a picture of the demo's world shows: shape, colour, ground, size, place, and whether it is in ink.

Shape, colour, ground, size and place are read by a small convolutional network that was trained on drawn scenes only
(train_judge.py), never on generated pictures. The style is read without any learning, from three statistics of the pixels
that hold for the definition of the ink style: see `ink_statistics`.
"""
import dataclasses
import pathlib

import numpy as np
import safetensors.torch
import torch
from torch import nn

from scene import COLOURS, GROUNDS, IMAGE_SIZE, RADII, SHAPES

WEIGHTS = pathlib.Path(__file__).parent / "judge.safetensors"
NAMES = {"shape": list(SHAPES), "colour": list(COLOURS), "ground": list(GROUNDS), "size": list(RADII)}

# A picture is in ink when all three hold. The bounds come from real samples (judge_test prints their ranges): photographs
# have at most 0.07 paper and drawings at least 0.81, and the bound is nearer to the drawings; drawings have a mean chroma of
# at most 0.043 and at least 0.027 strokes, and a factor of two is allowed.
LEAST_PAPER = 0.65  # share of the pixels that are paper: light and without colour
MOST_COLOUR = 0.085  # mean chroma, 0 … 1
LEAST_LINES = 0.0135  # share of the pixels that are dark next to light ones: strokes


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for before, after, stride in [(3, 24, 2), (24, 48, 2), (48, 64, 2), (64, 96, 1), (96, 96, 1)]:
            layers += [nn.Conv2d(before, after, 3, stride, padding=1), nn.GroupNorm(8, after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({name: nn.Linear(2 * 96, len(values)) for name, values in NAMES.items()})
        self.heat = nn.Conv2d(96, 1, 1)  # high where the thing's centre is

    def forward(self, pictures):
        """[B, 3, 96, 96] in -1 … 1 → logits by name, and `place` [B, 2]: x and y of the centre, 0 … 1."""
        features = self.features(pictures)  # [B, 96, 12, 12]
        pooled = torch.cat([features.amax(dim=(2, 3)), features.mean(dim=(2, 3))], dim=1)
        said = {name: head(pooled) for name, head in self.heads.items()}
        cells = features.shape[-1]
        heat = self.heat(features).flatten(1).softmax(dim=1).view(-1, cells, cells)
        centres = (torch.arange(cells) + 0.5) / cells
        said["place"] = torch.stack([(heat.sum(dim=1) * centres).sum(dim=1), (heat.sum(dim=2) * centres).sum(dim=1)], dim=1)
        return said


@dataclasses.dataclass
class Verdict:
    shape: str
    colour: str
    ground: str
    size: str
    x: float  # pixels
    y: float
    is_ink: bool


def load_judge():
    judge = Judge()
    judge.load_state_dict({name: w.float() for name, w in safetensors.torch.load_file(WEIGHTS).items()})
    return judge.eval()


def ink_statistics(picture):
    """[96, 96, 3] uint8 → share of paper, mean chroma, share of strokes."""
    rgb = picture.astype(np.float32) / 255
    light, chroma = rgb.mean(axis=2), rgb.max(axis=2) - rgb.min(axis=2)
    paper = ((light > 0.85) & (chroma < 0.12)).mean()
    lightest_near = np.max([np.roll(light, shift, axis) for shift in (-2, 2) for axis in (0, 1)], axis=0)
    strokes = ((light < 0.45) & (lightest_near - light > 0.3) & (chroma < 0.15)).mean()
    return paper, chroma.mean(), strokes


def is_ink(picture):
    paper, chroma, strokes = ink_statistics(picture)
    return bool(paper >= LEAST_PAPER and chroma <= MOST_COLOUR and strokes >= LEAST_LINES)


@torch.no_grad()
def read(judge, pictures):
    """[N, 96, 96, 3] uint8 → a Verdict each."""
    signed = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    said = judge(signed)
    best = {name: [values[index] for index in said[name].argmax(dim=1).tolist()] for name, values in NAMES.items()}
    places = (said["place"] * IMAGE_SIZE).tolist()
    return [
        Verdict(*(best[name][index] for name in ("shape", "colour", "ground", "size")), *places[index], is_ink(picture))
        for index, picture in enumerate(pictures)
    ]
