"""A folder with real photographs and every odd kind of image that cache_latents must take or name.

Every usable picture comes with the pixels that the VAE must see, by Pillow and NumPy."""
import io
import os
import shutil
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

SIDE = 128
PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg", "camera.png"]
EXIF_ORIENTATION = 0x0112


def photograph(name: str, side: int = SIDE) -> Image.Image:
    image = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
    return image.resize((side, side), Image.Resampling.LANCZOS)


def over_white(image: Image.Image) -> np.ndarray:
    rgba = np.asarray(image.convert("RGBA")).astype(np.int64)
    alpha = rgba[..., 3:]
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def fade() -> Image.Image:
    """An alpha channel from 0 to 255."""
    return Image.fromarray(np.tile(np.linspace(0, 255, SIDE).astype(np.uint8), (SIDE, 1)))


def png_chunk_swapped(data: bytes, at_fraction: float) -> bytes:
    """One byte of the compressed pixels inverted."""
    place = int(len(data) * at_fraction)
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1:]


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def usable_pictures() -> dict[str, tuple[bytes, np.ndarray]]:
    """By name: the file's bytes, and the expected pixels [SIDE, SIDE, 3]."""
    cat, astronaut, coffee = (photograph(n) for n in ("chelsea.png", "astronaut.png", "coffee.png"))
    grey = cat.convert("L")
    palette = coffee.quantize(64)
    transparent = astronaut.copy()
    transparent.putalpha(fade())
    grey_alpha = Image.merge("LA", (grey, fade()))
    wide16 = (np.asarray(grey).astype(np.uint16) * 257)[..., None]
    jpeg = encoded(astronaut, "JPEG", quality=95)
    pictures = {
        "png.png": (encoded(cat, "PNG"), np.asarray(cat)),
        "grey.png": (encoded(grey, "PNG"), np.asarray(grey.convert("RGB"))),
        "bits1.png": (encoded(grey.convert("1"), "PNG"), np.asarray(grey.convert("1").convert("RGB"))),
        "palette.png": (encoded(palette, "PNG"), np.asarray(palette.convert("RGB"))),
        "palette_clear.png": (encoded(palette, "PNG", transparency=bytes(range(0, 256, 4))), None),
        "transparent.png": (encoded(transparent, "PNG"), over_white(transparent)),
        "grey_transparent.png": (encoded(grey_alpha, "PNG"), over_white(grey_alpha)),
        "sixteen_bit.png": (encoded(Image.fromarray(wide16[..., 0]), "PNG"), np.asarray(grey.convert("RGB"))),
        "interlaced_ICC.PNG": (encoded(coffee, "PNG", icc_profile=b"not a profile"), np.asarray(coffee)),
        "bmp.bmp": (encoded(cat, "BMP"), np.asarray(cat)),
        "bmp_palette.bmp": (encoded(palette, "BMP"), np.asarray(palette.convert("RGB"))),
        "lossless.webp": (encoded(coffee, "WEBP", lossless=True), np.asarray(coffee)),
        "transparent.webp": (encoded(transparent, "WEBP", lossless=True, exact=True), over_white(transparent)),
        "animated.webp": (encoded(cat, "WEBP", save_all=True, append_images=[coffee], lossless=True), np.asarray(cat)),
        "animated_transparent.webp": (encoded(transparent, "WEBP", save_all=True, append_images=[cat], quality=100,
                                              exact=True, lossless=True), over_white(transparent)),
        "apng.png": (encoded(cat, "PNG", save_all=True, append_images=[coffee]), np.asarray(cat)),
        "jpeg.jpg": (jpeg, np.asarray(Image.open(io.BytesIO(jpeg)))),
        "really_a_jpeg.png": (jpeg, np.asarray(Image.open(io.BytesIO(jpeg)))),
        "gif.gif": (encoded(palette, "GIF"), np.asarray(palette.convert("RGB"))),
        "gif_by_content.png": (encoded(palette, "GIF"), np.asarray(palette.convert("RGB"))),
        "scan.tiff": (encoded(transparent, "TIFF"), over_white(transparent)),
        "trailing_bytes.jpg": (jpeg + b"a video may follow" * 100, np.asarray(Image.open(io.BytesIO(jpeg)))),
    }
    clear = Image.open(io.BytesIO(pictures["palette_clear.png"][0]))
    pictures["palette_clear.png"] = (pictures["palette_clear.png"][0], over_white(clear))
    for mode, name in (("L", "grey.jpg"), ("CMYK", "cmyk.jpg")):
        data = encoded(cat.convert(mode), "JPEG", quality=95)
        pictures[name] = (data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    data = encoded(coffee, "JPEG", quality=90, progressive=True)
    pictures["progressive.jpeg"] = (data, np.asarray(Image.open(io.BytesIO(data))))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        for kind, suffix in (("PNG", "png"), ("WEBP", "webp"), ("JPEG", "jpg")):
            options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
            data = encoded(astronaut, kind, exif=exif, **options)
            pictures[f"turned/orientation{orientation}.{suffix}"] = (data, turned(data, orientation))
    return pictures


def turned(data: bytes, orientation: int) -> np.ndarray:
    """By the EXIF specification: which side of the picture row 0 and column 0 are."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return {1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
            5: lambda p: p.transpose(1, 0, 2), 6: lambda p: np.rot90(p, -1), 7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
            8: lambda p: np.rot90(p)}[orientation](pixels)


def useless_files() -> dict[str, tuple[bytes, str]]:
    """By name: the file's bytes, and a word of the reason for which it is skipped."""
    astronaut = photograph("astronaut.png")
    png, jpeg = encoded(astronaut, "PNG"), encoded(astronaut, "JPEG", quality=95)
    webp, bmp = encoded(astronaut, "WEBP"), encoded(astronaut, "BMP")
    huge = bytearray(png)
    huge[16:24] = (20000).to_bytes(4, "big") * 2
    strip = encoded(Image.new("RGB", (16000, 1)), "PNG")
    return {
        "broken/empty.png": (b"", "empty"),
        "broken/empty.jpg": (b"", "empty"),
        "broken/text.png": (b"this is not an image at all", "not an image"),
        "broken/truncated.png": (png[:len(png) // 2], "damaged"),
        "broken/truncated.jpg": (jpeg[:len(jpeg) // 2], "cut off"),
        "broken/truncated_a_little.jpg": (jpeg[:-2], "cut off"),
        "broken/truncated.webp": (webp[:len(webp) // 2], "ends too early"),
        "broken/truncated.bmp": (bmp[:len(bmp) // 2], "damaged"),
        "broken/header_only.png": (png[:40], "damaged"),
        "broken/signature_only.png": (png[:8], "header"),
        "broken/signature_only.jpg": (jpeg[:3], "cut off"),
        "broken/flipped_byte.png": (png_chunk_swapped(png, 0.5), "damaged"),
        "broken/corrupt.jpg": (jpeg[:len(jpeg) // 2] + jpeg[len(jpeg) // 2 + 500:], "damaged"),
        "broken/huge.png": (bytes(huge), "16384"),
        "broken/strip.png": (strip, "strip"),
        "broken/truncated.gif": (encoded(astronaut.quantize(), "GIF")[:2000], "cut off"),
        "broken/truncated.tiff": (encoded(astronaut, "TIFF")[:2000], "damaged"),
        "broken/truncated.avif": (encoded(astronaut, "AVIF")[:2000], "damaged"),
        "broken/video.heic": (b"\0\0\0\x20ftypisom" + bytes(100), "a video"),
        "broken/layers.psd": (b"8BPS" + bytes(100), "psd"),
    }


def write_folder(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Expected pixels of every usable picture and expected reason of every other, by source."""
    shutil.rmtree(folder, ignore_errors=True)
    pixels, reasons = {}, {}
    for source, (data, expected) in usable_pictures().items():
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        (folder / source).write_bytes(data)
        pixels[source] = expected
    for name in PHOTOGRAPHS:
        picture = photograph(name)
        (folder / "photographs").mkdir(exist_ok=True)
        picture.save(folder / "photographs" / f"{Path(name).stem}.png")
        pixels[f"photographs/{Path(name).stem}.png"] = np.asarray(picture)
    for source, (data, reason) in useless_files().items():
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        (folder / source).write_bytes(data)
        reasons[source] = reason
    (folder / "broken/folder.png").mkdir()
    (folder / "broken/link.png").symlink_to("nowhere.png")
    os.mkfifo(folder / "broken/pipe.png")
    reasons |= {"broken/folder.png": "folder", "broken/link.png": "link", "broken/pipe.png": "regular"}
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "readme.md").write_text("not an image, and not meant as one")
    (folder / "no_extension").write_bytes(encoded(photograph("chelsea.png"), "JPEG"))
    return pixels, reasons
