"""Puts the demo's pictures on one sheet: before and after, from text and from photographs.

    contact_sheet.py --demo DIR      writes DIR/contact-sheet.png
"""
import argparse
import json
import pathlib

from PIL import Image, ImageDraw, ImageFont

from scene import IMAGE_SIZE

COLUMNS = 10
GAP = 6  # pixels
MARGIN = 28
LABEL_WIDTH = 190
BACKGROUND, TEXT, FAINT = (252, 252, 250), (30, 30, 34), (110, 110, 116)

SECTIONS = [
    (
        "Text to image, combinations never trained on",
        "prompts",
        [("before", "text-before"), ("after 500 steps", "text-after"), ("half way: --lora-scale 0.5", "text-scale-0.5")],
    ),
    (
        "Photograph to drawing",
        "photographs",
        [
            ("photograph", "../photographs"),
            ("strength 0.6, before", "photo-0.6-before"),
            ("strength 0.6, after", "photo-0.6-after"),
            ("strength 0.75, before", "photo-0.75-before"),
            ("strength 0.75, after", "photo-0.75-after"),
        ],
    ),
    ("What it learnt from: 1,900 drawings like these", None, [("training set", "../ink")]),
]


def font(size):
    return ImageFont.load_default(size)


def wrapped(kind):
    return f"{kind['size']} {kind['colour']}\n{kind['shape']} on {kind['ground']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=pathlib.Path, required=True)
    demo = parser.parse_args().demo
    truth = json.loads((demo / "truth.json").read_text())
    cell = IMAGE_SIZE + GAP
    heights = [44 + (34 if which else 0) + len(rows) * cell + 18 for _, which, rows in SECTIONS]
    sheet = Image.new("RGB", (2 * MARGIN + LABEL_WIDTH + COLUMNS * cell, 2 * MARGIN + sum(heights)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    y = MARGIN
    for title, which, rows in SECTIONS:
        draw.text((MARGIN, y), title, TEXT, font(20))
        y += 44
        left = MARGIN + LABEL_WIDTH
        if which:
            for column in range(COLUMNS):
                draw.multiline_text((left + column * cell, y - 4), wrapped(truth[which][column]), FAINT, font(11), spacing=2)
            y += 34
        for label, folder in rows:
            draw.text((MARGIN, y + IMAGE_SIZE // 2 - 8), label, TEXT, font(13))
            for column, path in enumerate(sorted((demo / "pictures" / folder).glob("*.png"))[:COLUMNS]):
                sheet.paste(Image.open(path).convert("RGB"), (left + column * cell, y))
            y += cell
        y += 18
    sheet.save(demo / "contact-sheet.png")


if __name__ == "__main__":
    main()
