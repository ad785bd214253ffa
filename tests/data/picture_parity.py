"""Decoded pixels of every kind of picture, in every orientation, against Pillow's (pillow-heif's and pillow-jxl's for theirs), upright and
over white.

    SDLORA_BUILD=build python picture_parity.py

Prints the greatest difference of each; what is lossless must be equal, and what is lossy within one level of 255 where the two sides use
decoders of their own.
"""
import io
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401  (registers JPEG XL)
import programs
from PIL import Image, ImageOps

import cache_pictures
from cache_pictures import encoded, fade, over_white

pillow_heif.register_heif_opener()
WIDTH, HEIGHT = 97, 64
EQUAL, ONE_LEVEL = 0, 1
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{}"/></x:xmpmeta>'


def photograph() -> Image.Image:
    return cache_pictures.photograph("chelsea.png", 256).crop((40, 30, 40 + WIDTH, 30 + HEIGHT))


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(samples: np.ndarray, bits: int, colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that Pillow does not write: `samples` [rows, columns × channels], as they are stored."""
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in samples]
    else:
        rows = [np.packbits(np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - bits:]).tobytes() for row in samples]

    channels = {0: 1, 2: 3}[colour_type]
    header = struct.pack(">IIBBBBB", samples.shape[1] // channels, samples.shape[0], bits, colour_type, 0, 0, 0)
    body = b"".join(png_chunk(*c) for c in chunks) + png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body + png_chunk(b"IEND", b"")


def expected_of(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey
        return np.repeat(np.rint(np.asarray(image) / 257).astype(np.uint8)[..., None], 3, axis=2)
    return over_white(image) if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info else np.asarray(image.convert("RGB"))


def exif(orientation: int) -> Image.Exif:
    values = Image.Exif()
    values[cache_pictures.EXIF_ORIENTATION] = orientation
    return values


class Pictures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.pending = []
        self.picture = photograph()
        self.grey = self.picture.convert("L")
        self.palette = self.picture.quantize(64)
        self.clear = self.picture.copy()
        self.clear.putalpha(fade().resize(self.picture.size))

    def compare(self, name: str, data: bytes, allowed: int, expected: np.ndarray | None = None):
        self.pending.append((name, data, allowed, expected_of(data) if expected is None else expected))

    def tearDown(self):
        """What was to be compared, by one start of the program."""
        output, words = self.folder / "pixels", []
        for number, (_, data, _, expected) in enumerate(self.pending):
            file = self.folder / f"{number}"
            file.write_bytes(data)
            words += [file, f"{expected.shape[1]}x{expected.shape[0]}"]
        done = subprocess.run([programs.BUILD / "tests/picture_probe", output, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""), "decoders print nothing")
        pixels = np.frombuffer(output.read_bytes(), np.uint8)
        for name, _, allowed, expected in self.pending:
            seen, pixels = pixels[:expected.size].reshape(expected.shape), pixels[expected.size:]
            differences = np.abs(seen.astype(int) - expected)
            print(f"  {name:44} differs by at most {differences.max()} of 255, {100 * (differences > 0).mean():.1f} % of values", flush=True)
            with self.subTest(name):
                self.assertLessEqual(differences.max(), allowed)

    def test_lossless_kinds_are_equal(self):
        rgb, grey, palette, clear = self.picture, self.grey, self.palette, self.clear
        bilevel, wide = grey.convert("1"), Image.fromarray(np.asarray(grey).astype(np.uint16) * 200 + 17)
        clear_palette = encoded(palette, "PNG", transparency=bytes(range(0, 256, 4)))
        for name, data in {
            "png rgb": encoded(rgb, "PNG"), "png grey": encoded(grey, "PNG"), "png 1 bit": encoded(bilevel, "PNG"),
            "png palette": encoded(palette, "PNG"), "png palette, transparent": clear_palette, "png rgba": encoded(clear, "PNG"),
            "png grey and alpha": encoded(clear.convert("LA"), "PNG"), "png 16 bits": encoded(wide, "PNG"),
            "bmp": encoded(rgb, "BMP"), "bmp palette": encoded(palette, "BMP"), "webp": encoded(rgb, "WEBP", lossless=True),
            "webp rgba": encoded(clear, "WEBP", lossless=True, exact=True),
            "gif": encoded(palette, "GIF"), "gif interlaced": encoded(palette, "GIF", interlace=1),
            "gif not interlaced": encoded(palette, "GIF", interlace=0), "gif transparent": encoded(palette, "GIF", transparency=9),
            "gif animated": encoded(palette, "GIF", save_all=True, append_images=[rgb.rotate(90).quantize(16)]),
            "tiff": encoded(rgb, "TIFF"), "tiff grey": encoded(grey, "TIFF"), "tiff 1 bit": encoded(bilevel, "TIFF"),
            "tiff fax": encoded(bilevel, "TIFF", compression="group4"), "tiff palette": encoded(palette, "TIFF"),
            "tiff lzw": encoded(rgb, "TIFF", compression="tiff_lzw"), "tiff deflate": encoded(rgb, "TIFF", compression="tiff_adobe_deflate"),
            "tiff rgba": encoded(clear, "TIFF"), "tiff grey and alpha": encoded(clear.convert("LA"), "TIFF"),
            "tiff rgb and a selection": encoded(clear, "TIFF").replace(struct.pack("<HHIHH", 338, 3, 1, 2, 0), struct.pack("<HHIHH", 338, 3, 1, 0, 0)), "tiff 16 bits": encoded(wide, "TIFF"), "tiff big-endian": encoded(rgb, "TIFF", big_endian=True),
            "jxl": encoded(rgb, "JXL", lossless=True), "jxl rgba": encoded(clear, "JXL", lossless=True),
            "jxl grey": encoded(grey, "JXL", lossless=True),
        }.items():
            self.compare(name, data, EQUAL)

    def test_a_gif_whose_first_frame_is_smaller_than_its_screen(self):
        for name, options in (("gif in a corner", {}), ("gif in a corner, transparent", {"transparency": 9})):
            data = bytearray(encoded(self.palette, "GIF", **options))
            data[6:10] = struct.pack("<HH", WIDTH + 13, HEIGHT + 7)
            self.compare(name, bytes(data), EQUAL)

    def test_a_grey_that_stands_for_transparency_is_white(self):
        for bits in (1, 2, 4, 8, 16):
            most = 2**bits - 1
            samples = np.asarray(self.grey).astype(np.int64) * most // 255
            value = int(samples[20, 30])
            shown = np.where(samples == value, 255, np.rint(samples * 255 / most)).astype(np.uint8)
            data = png_of(samples, bits, 0, (b"tRNS", struct.pack(">H", value)))
            self.compare(f"png grey of {bits} bits, one transparent", data, EQUAL, np.repeat(shown[..., None], 3, axis=2))

    def test_16_bits_of_colour_are_divided_by_257(self):
        samples = np.asarray(self.picture).astype(np.uint16).reshape(HEIGHT, -1) * 200 + 17
        expected = np.rint(samples / 257).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)
        self.compare("png rgb of 16 bits", png_of(samples, 16, 2), EQUAL, expected)

    def test_lossy_kinds_are_within_a_level(self):
        rgb = self.picture
        for name, data in {
            "jpeg": encoded(rgb, "JPEG", quality=90), "jpeg 4:4:4": encoded(rgb, "JPEG", quality=90, subsampling=0),
            "jpeg grey": encoded(self.grey, "JPEG"), "jpeg progressive": encoded(rgb, "JPEG", progressive=True),
            "jpeg cmyk": encoded(rgb.convert("CMYK"), "JPEG", quality=95), "webp lossy": encoded(rgb, "WEBP", quality=80),
            "tiff cmyk": encoded(rgb.convert("CMYK"), "TIFF"), "tiff jpeg": encoded(rgb, "TIFF", compression="jpeg"),
            "jxl lossy": encoded(rgb, "JXL", quality=90), "jxl in a hurry": encoded(rgb, "JXL", effort=1), "avif 4:4:4": encoded(rgb, "AVIF", quality=90, subsampling="4:4:4"),
            "avif": encoded(rgb, "AVIF", quality=90), "avif rgba": encoded(self.clear, "AVIF", quality=90, subsampling="4:4:4"),
            "heic 4:4:4": encoded(rgb, "HEIF", quality=90, chroma=444), "heic": encoded(rgb, "HEIF", quality=90),
        }.items():
            self.compare(name, data, ONE_LEVEL)

    def test_every_orientation_in_every_kind(self):
        """But JPEG XL's, which stands in its codestream, where Pillow's plug-in does not write it; what EXIF says there does not count."""
        for orientation in range(1, 9):
            for kind, options in (("PNG", {}), ("JPEG", {"quality": 95, "subsampling": 0}), ("WEBP", {"lossless": True}), ("TIFF", {}),
                                  ("HEIF", {"quality": 95, "chroma": 444}), ("AVIF", {"quality": 95, "subsampling": "4:4:4"})):
                data = encoded(self.picture, kind, exif=exif(orientation).tobytes(), **options)
                self.compare(f"{kind.lower()} turned {orientation}", data, ONE_LEVEL if kind in ("JPEG", "HEIF", "AVIF") else EQUAL)

    def test_orientations_that_other_programs_write(self):
        tiff = b"MM\0*" + struct.pack(">IHHHIII", 8, 1, 0x0112, 4, 1, 6, 0)  # LONG
        jpeg = encoded(self.picture, "JPEG", quality=95, subsampling=0)
        raw = "\nexif\n" + f"{len(tiff) + 6:8}" + "\n" + "\n".join((b"Exif\0\0" + tiff).hex()[i:i + 72] for i in range(0, 2 * len(tiff) + 12, 72)) + "\n"
        xmp = XMP.format(6)
        text = encoded(self.picture, "PNG")

        def with_chunk(name: bytes, data: bytes) -> bytes:
            return text[:33] + png_chunk(name, data) + text[33:]

        for name, data, allowed in (
            ("jpeg, EXIF's number a LONG", encoded(self.picture, "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0" + tiff), ONE_LEVEL),
            ("jpeg, in XMP alone", jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 31) + b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode() + jpeg[2:], ONE_LEVEL),
            ("png, in a raw profile", with_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw.encode())), EQUAL),
            ("png, in XMP", with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp.encode()), EQUAL),
            ("png, in XMP, compressed", with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp.encode())), EQUAL),
            ("webp, in XMP", encoded(self.picture, "WEBP", lossless=True, xmp=xmp.encode()), EQUAL),
        ):
            expected = expected_of(data)
            self.assertEqual(expected.shape[:2], (WIDTH, HEIGHT), f"{name}: Pillow turns it")
            self.compare(name, data, allowed, expected)


if __name__ == "__main__":
    unittest.main()
