"""Draws the demo's pictures: one shape of one colour on one ground each, with a caption beside it.

    demo_pictures.py --count 96 --out DIR
"""
import argparse
import pathlib
import random

from PIL import Image, ImageDraw

COLOURS = {"red": "#c8302c", "green": "#3a8f45", "blue": "#2f5fb3", "yellow": "#e0b92f", "purple": "#7a4a9e", "white": "#f2efe6"}
GROUNDS = {"grey": "#808080", "sand": "#d8c49a", "dark": "#26262e", "sky": "#9cc4e4"}


def draw_circle(draw, x, y, r, fill):
    draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def draw_square(draw, x, y, r, fill):
    draw.rectangle((x - r, y - r, x + r, y + r), fill=fill)


def draw_triangle(draw, x, y, r, fill):
    draw.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=fill)


SHAPES = {"circle": draw_circle, "square": draw_square, "triangle": draw_triangle}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw_of = random.Random(0)
    for index in range(arguments.count):
        shape, colour, ground = (draw_of.choice(sorted(names)) for names in (SHAPES, COLOURS, GROUNDS))
        picture = Image.new("RGB", (96, 96), GROUNDS[ground])
        x, y, radius = draw_of.randint(30, 66), draw_of.randint(30, 66), draw_of.randint(14, 26)
        SHAPES[shape](ImageDraw.Draw(picture), x, y, radius, COLOURS[colour])
        picture.save(arguments.out / f"{index:04}.png")
        (arguments.out / f"{index:04}.txt").write_text(f"a {colour} {shape} on a {ground} ground\n")


if __name__ == "__main__":
    main()
