"""Draws a scene twice: as a photograph (shaded, with a soft shadow on a coloured ground) and in ink (outline, hatching
that follows the shading, on paper). Both come from the same signed distance to the thing's edge, without any library
but numpy.

    draw.py --style ink --count 1900 --seed 1 --out DIR [--held-out]   PNG files, each with its caption beside it
"""
import argparse
import pathlib

import numpy as np
from PIL import Image

from scene import COLOURS, GROUNDS, IMAGE_SIZE, scenes

PAPER = np.array([247, 244, 236], np.float32)
INK = np.array([40, 36, 44], np.float32)
HATCH_PERIOD = 8  # pixels along x and along y
SHADOW_PERIOD = 4  # pixels along y

Y, X = np.mgrid[0:IMAGE_SIZE, 0:IMAGE_SIZE].astype(np.float32) + 0.5


def box(x, y, half_width, half_height):
    dx, dy = np.abs(x) - half_width, np.abs(y) - half_height
    return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0)


def polygon(x, y, corners):
    """Signed distance to a simple polygon: the nearest edge, negative inside by the crossing rule."""
    nearest = np.full(x.shape, np.inf, np.float32)
    is_inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0)):
        ex, ey, px, py = bx - ax, by - ay, x - ax, y - ay
        along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, np.hypot(px - along * ex, py - along * ey))
        if ay != by:
            is_inside ^= ((ay > y) != (by > y)) & (x < ex * (y - ay) / ey + ax)
    return np.where(is_inside, -nearest, nearest)


def regular(count, radii):
    """Corners on circles of the given radii in turn, the first at the top."""
    angles = np.arange(count) * 2 * np.pi / count - np.pi / 2
    radius = np.resize(radii, count)
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def unit_distance(shape, x, y):
    """Signed distance in radii to the edge of a thing of radius 1 at the origin; negative inside."""
    if shape == "circle":
        return np.hypot(x, y) - 0.95
    if shape == "ring":
        return np.abs(np.hypot(x, y) - 0.7) - 0.28
    if shape == "square":
        return box(x, y, 0.82, 0.82)
    if shape == "cross":
        return np.minimum(box(x, y, 0.98, 0.34), box(x, y, 0.34, 0.98))
    if shape == "triangle":
        return polygon(x, y - 0.2, regular(3, [1.15]))
    return polygon(x, y - 0.05, regular(10, [1.1, 0.5]))


def distance(scene, x, y):
    """Signed distance in pixels from (x, y) to the edge of the scene's thing."""
    dx, dy = (x - scene.x) / scene.radius, (y - scene.y) / scene.radius
    cos, sin = np.cos(scene.angle), np.sin(scene.angle)
    return unit_distance(scene.kind.shape, cos * dx + sin * dy, cos * dy - sin * dx) * scene.radius


def smooth(edge0, edge1, values):
    t = np.clip((values - edge0) / (edge1 - edge0), 0, 1)
    return t * t * (3 - 2 * t)


def shading(scene, edge_distance):
    """How much light each pixel of the thing gets, 0 … 1 (Lambert), as if its rim were rounded."""
    depth = np.clip(-edge_distance / (0.4 * scene.radius), 0, 1)
    height = 0.4 * scene.radius * np.sqrt(np.maximum(1 - (1 - depth) ** 2, 0))
    slope_y, slope_x = np.gradient(height)
    light_x, light_y, light_z = 0.75 * np.cos(scene.light), 0.75 * np.sin(scene.light), 0.66
    lambert = (-slope_x * light_x - slope_y * light_y + light_z) / np.sqrt(slope_x**2 + slope_y**2 + 1)
    return np.clip(lambert, 0, 1)


def shadow(scene):
    """0 … 1: how deep each pixel of the ground lies in the thing's shadow."""
    reach = 0.22 * scene.radius
    d = distance(scene, X + reach * np.cos(scene.light), Y + reach * np.sin(scene.light))
    return smooth(4.5, -3.5, d)


def photograph(scene):
    """[96, 96, 3] uint8"""
    edge = distance(scene, X, Y)
    across = ((X - IMAGE_SIZE / 2) * np.cos(scene.light) + (Y - IMAGE_SIZE / 2) * np.sin(scene.light)) / IMAGE_SIZE
    ground = np.array(GROUNDS[scene.kind.ground], np.float32) * (1 + 0.16 * across - 0.45 * shadow(scene))[..., None]
    lit = shading(scene, edge)
    gleam = 90 * smooth(0.93, 1.0, lit)
    thing = np.array(COLOURS[scene.kind.colour], np.float32) * (0.42 + 0.66 * lit)[..., None] + gleam[..., None]
    cover = smooth(0.8, -0.8, edge)[..., None]
    return np.clip(ground * (1 - cover) + thing * cover, 0, 255).astype(np.uint8)


def lines(phase, period, thickness):
    """Cover 0 … 1 of lines across `phase` (pixels), one per period, of that thickness in pixels."""
    from_line = np.abs((phase % period) - period / 2)
    return smooth(0.6, -0.6, from_line - thickness / 2)


def ink(scene):
    """[96, 96, 3] uint8. Outline, hatching the thicker the darker, the shadow as level lines. The colours are gone."""
    around = np.arctan2(Y - scene.y, X - scene.x)
    unsteady = 0.4 * np.sin(3 * around + scene.wobble) + 0.25 * np.sin(7 * around + 2 * scene.wobble)
    edge = distance(scene, X, Y) + unsteady
    is_thing = smooth(0.5, -0.5, edge)
    dark = 1 - shading(scene, edge)
    hatching = lines(X + Y, HATCH_PERIOD, 1.2 + 3.4 * dark) * is_thing
    level = lines(Y, SHADOW_PERIOD, 1.3) * smooth(0.3, 0.6, shadow(scene)) * (1 - is_thing)
    outline = smooth(1.9, 0.7, np.abs(edge))
    cover = np.maximum.reduce([hatching, level, outline])[..., None]
    return np.clip(PAPER * (1 - cover) + INK * cover, 0, 255).astype(np.uint8)


STYLES = {"photograph": photograph, "ink": ink}


def draw_folder(folder, every, style, with_captions=True):
    """0000.png, 0001.png … of the scenes in that style, each with its caption beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, scene in enumerate(every):
        Image.fromarray(style(scene)).save(folder / f"{index:04}.png")
        if with_captions:
            (folder / f"{index:04}.txt").write_text(scene.kind.caption() + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--style", choices=STYLES, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--held-out", action="store_true", help="of the combinations that nothing is trained on")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    every = scenes(arguments.count, arguments.seed, arguments.held_out)
    draw_folder(arguments.out, every, STYLES[arguments.style])
    print(f"{arguments.count} pictures in {arguments.out}")


if __name__ == "__main__":
    main()
