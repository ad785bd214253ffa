"""The small world of the demo: one thing of a shape, colour and size on a ground, and how one says it.

A third of the combinations is held out: nothing is ever trained on them, so that they test what was learnt.
"""
import dataclasses
import itertools
import zlib

import numpy as np

IMAGE_SIZE = 96  # pixels a side

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLOURS = {
    "red": (206, 48, 42),
    "orange": (236, 134, 36),
    "yellow": (240, 212, 60),
    "green": (52, 152, 72),
    "blue": (44, 88, 196),
    "purple": (132, 62, 168),
    "pink": (240, 140, 180),
    "white": (240, 240, 236),
}
GROUNDS = {
    "grass": (112, 160, 84),
    "sand": (216, 190, 138),
    "sea": (40, 122, 138),
    "night": (42, 46, 78),
    "brick": (158, 84, 66),
    "slate": (116, 120, 124),
    "lilac": (190, 168, 216),
    "sky": (154, 198, 232),
}
RADII = {"small": (13.0, 16.0), "large": (23.0, 28.0)}  # pixels, from … to
LEAST_CONTRAST = 75  # between thing and ground, Euclidean in RGB: less could hardly be seen


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a caption says."""

    size: str
    colour: str
    shape: str
    ground: str

    def caption(self):
        return f"a {self.size} {self.colour} {self.shape} on {self.ground}"

    def is_held_out(self):
        return zlib.crc32(f"{self.colour} {self.shape} {self.ground}".encode()) % 3 == 0


@dataclasses.dataclass(frozen=True)
class Scene:
    """A kind, and what its caption does not say."""

    kind: Kind
    x: float  # centre, pixels from the left
    y: float  # pixels from the top
    radius: float  # pixels
    angle: float  # radians, clockwise
    light: float  # radians, where the light comes from: 0 is the right, -π/2 the top
    wobble: float  # phase of the pen's unsteadiness, radians


def is_visible(colour, ground):
    return np.linalg.norm(np.subtract(COLOURS[colour], GROUNDS[ground])) >= LEAST_CONTRAST


def kinds(held_out):
    """All kinds of that side of the split, in a fixed order."""
    every = (Kind(*names) for names in itertools.product(RADII, COLOURS, SHAPES, GROUNDS))
    return [kind for kind in every if is_visible(kind.colour, kind.ground) and kind.is_held_out() == held_out]


def place(kind, random):
    """A scene of that kind; `random` is a numpy Generator."""
    radius = random.uniform(*RADII[kind.size])
    margin = radius + 5  # room for corners and shadow
    return Scene(
        kind=kind,
        x=random.uniform(margin, IMAGE_SIZE - margin),
        y=random.uniform(margin, IMAGE_SIZE - margin),
        radius=radius,
        angle=random.uniform(-0.15, 0.15),
        light=-np.pi / 2 + random.uniform(-0.8, 0.2),
        wobble=random.uniform(0, 2 * np.pi),
    )


def scenes(count, seed, held_out):
    """`count` scenes, every kind as often as any other, in a seeded order."""
    random = np.random.default_rng(seed)
    choice = kinds(held_out)
    order = np.concatenate([random.permutation(len(choice)) for _ in range(count // len(choice) + 1)])
    return [place(choice[index], random) for index in order[:count]]
