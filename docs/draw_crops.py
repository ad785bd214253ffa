"""Draws what a square centre crop keeps of each picture beside what its aspect bucket keeps, as a cache has it.

    cache_latents --model MODEL --images PICTURES --output CACHE --aspect-buckets --training-caption photograph
    docs/draw_crops.py --images PICTURES --cache CACHE

docs/crops.jpg is of 22 pictures of the folder data/ of scikit-image's package: its PNG and JPEG files but chessboard_*, logo and phantom.
Runs in the environment of launcher/setup.sh.
"""
import argparse
import pathlib
import statistics

import h5py
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

PAIR_BOX, PAIRS_A_ROW = (162, 122), 4  # pixels that a picture is shrunk into
SQUARE_BOX, SQUARES_A_ROW = (124, 124), 10
GAP, BETWEEN, MARGIN, TITLE_HEIGHT, FRAME_WIDTH = 6, 14, 18, 30, 2
BACKGROUND, FRAME, TEXT, FAINT = (252, 252, 250), (240, 90, 20), (30, 30, 34), (110, 110, 116)
DIMMED = 0.3  # brightness of what is cut off
ALMOST_SQUARE = 0.99  # of whose area a square keeps that share


class Crop:
    """What is kept of a picture of `original` pixels that was resized to `resized` and cropped to `size` from `corner` on."""

    def __init__(self, original, resized, size, corner):
        self.original, self.size = original, size
        self.share = size[0] * size[1] / (resized[0] * resized[1])
        self.left, self.top = (corner[axis] / resized[axis] for axis in (0, 1))
        self.right, self.bottom = ((corner[axis] + size[axis]) / resized[axis] for axis in (0, 1))

    def box(self, width, height):
        """In a picture of that size."""
        return round(self.left * width), round(self.top * height), round(self.right * width), round(self.bottom * height)


def square_crop(original):
    side = min(original)
    return Crop(original, original, (side, side), [(length - side) / 2 for length in original])


def crops_of(cache):
    """By source."""
    crops = {}
    for path in sorted(cache.glob("shard-*.h5")):
        with h5py.File(path) as shard:
            if "crop_left" not in shard:
                raise SystemExit(f"{cache}: not made with --aspect-buckets")
            size = int(shard.attrs["image_width"]), int(shard.attrs["image_height"])
            original, resized = (list(zip(shard[f"{which}_width"][:].tolist(), shard[f"{which}_height"][:].tolist()))
                                 for which in ("original", "resized"))
            corners = list(zip(shard["crop_left"][:].tolist(), shard["crop_top"][:].tolist()))
            for row, source in enumerate(shard["source"].asstr()[:]):
                crops[source] = Crop(original[row], resized[row], size, corners[row])
    return crops


def opened(path):
    """Upright, over white."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def with_crop_shown(picture, crop, box):
    picture = ImageOps.contain(picture, box, Image.Resampling.LANCZOS)
    shown = ImageEnhance.Brightness(picture).enhance(DIMMED)
    left, top, right, bottom = crop.box(*picture.size)
    shown.paste(picture.crop((left, top, right, bottom)), (left, top))
    ImageDraw.Draw(shown).rectangle((left, top, right - 1, bottom - 1), outline=FRAME, width=FRAME_WIDTH)
    return shown


def font(size):
    return ImageFont.load_default(size)


def percent(share):
    return f"{100 * share:.1f} %"


def pixels(size):
    return "{}x{}".format(*size)


def tile(name, picture, crops, box):
    """The picture with each of the crops side by side: [(crop, what is said of it)]."""
    width, height = box
    drawn = Image.new("RGB", (len(crops) * (width + GAP) - GAP, height + 46), BACKGROUND)
    draw = ImageDraw.Draw(drawn)
    for place, (crop, said) in enumerate(crops):
        shown, left = with_crop_shown(picture, crop, box), place * (width + GAP)
        drawn.paste(shown, (left + (width - shown.width) // 2, height - shown.height))
        draw.text((left + width // 2, height + 4), said, TEXT, font(14), anchor="ma")
    draw.text((drawn.width // 2, height + 22), name, FAINT, font(12), anchor="ma")
    return drawn


def tiles_of(images, crops):
    """(pictures with both crops, where the square keeps least first; almost square pictures)"""
    pairs, squares = [], []
    for source, bucket in sorted(crops.items(), key=lambda item: (square_crop(item[1].original).share, item[0])):
        picture, square = opened(images / source), square_crop(bucket.original)
        if picture.size != bucket.original:
            raise SystemExit(f"{source}: {pixels(picture.size)}, but {pixels(bucket.original)} in the cache")
        name, said = pathlib.PurePath(source).name, f"{percent(bucket.share)}, {pixels(bucket.size)}"
        if square.share < ALMOST_SQUARE:
            pairs.append(tile(f"{name}, {pixels(picture.size)}", picture, [(square, percent(square.share)), (bucket, said)], PAIR_BOX))
        else:
            squares.append(tile(name, picture, [(bucket, said)], SQUARE_BOX))
    return pairs, squares


def mean_share(crops):
    return percent(statistics.mean(crop.share for crop in crops))


def section(title, tiles, a_row):
    rows = [tiles[first:first + a_row] for first in range(0, len(tiles), a_row)]
    width, height = tiles[0].width + BETWEEN, tiles[0].height
    drawn = Image.new("RGB", (a_row * width - BETWEEN, TITLE_HEIGHT + len(rows) * height), BACKGROUND)
    ImageDraw.Draw(drawn).text((0, 0), title, TEXT, font(17))
    for number, row in enumerate(rows):
        for place, one in enumerate(row):
            drawn.paste(one, (place * width, TITLE_HEIGHT + number * height))
    return drawn


def sheet_of(images, crops):
    pairs, squares = tiles_of(images, crops)
    by_square = mean_share([square_crop(crop.original) for crop in crops.values()])
    title = (f"{len(crops)} pictures: a square from the middle (left) keeps {by_square} of the area on average, "
             f"aspect buckets (right) keep {mean_share(crops.values())}")
    title_of_squares = f"{len(squares)} of them are square, or almost: the bucket keeps what the square does"
    sections = [section(*each) for each in ((title, pairs, PAIRS_A_ROW), (title_of_squares, squares, SQUARES_A_ROW)) if each[1]]
    width, height = max(drawn.width for drawn in sections), sum(drawn.height for drawn in sections)
    sheet = Image.new("RGB", (2 * MARGIN + width, MARGIN + height), BACKGROUND)
    y = MARGIN
    for drawn in sections:
        sheet.paste(drawn, (MARGIN, y))
        y += drawn.height
    return sheet


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).with_name("crops.jpg"))
    case = parser.parse_args()
    sheet_of(case.images, crops_of(case.cache)).save(case.output, quality=80)


if __name__ == "__main__":
    main()
