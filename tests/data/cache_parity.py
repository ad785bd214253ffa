"""cache_latents against diffusers, transformers and Pillow, and against itself on other numbers of ranks, killed and resumed.

    SDLORA_BUILD=build SDLORA_TINY_MODEL=DIR python cache_parity.py [unittest options]
"""
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import programs  # noqa: E402
import reference_model  # noqa: E402  (before torch and diffusers: it quietens them)

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

import cache_pictures  # noqa: E402
from cache_pictures import SIDE  # noqa: E402

TOLERANCE = 1e-5
LOCK = ".cache_latents.lock"  # no part of the cache: it names the process that owned the directory last
SCAN = ".cache_latents.scan"  # nor is this: when which picture was changed
CAPTIONS = {
    "photographs/chelsea.png": "a photo of a cat, looking left",
    "photographs/astronaut.png": "Eileen Collins \u2014 ASTRONAUT \U0001f680",
    "png.png": "a photo of a cat, looking left",
    "grey.png": "",
    "grey.jpg": "",  # NAME.txt serves every picture of that name
}
LONG_CAPTION = " ".join(f"word{number}" for number in range(60))


def cache(images: Path, output: Path, *options, ranks=None, model=None):
    return programs.run("cache_latents", "--model", model or programs.TINY_MODEL, "--images", images, "--output", output, "--img-size", SIDE,
                        "--device", "cpu", *options, ranks=ranks, timeout_seconds=300)


def cache_command(images: Path, output: Path, *options):
    return programs.command("cache_latents", "--model", programs.TINY_MODEL, "--images", images, "--output", output, "--img-size", SIDE,
                            "--device", "cpu", *options)


def hashes(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir()) if f.name not in (LOCK, SCAN)}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {f.name: (f.stat().st_ino, f.stat().st_mtime_ns) for f in sorted(folder.iterdir()) if f.name not in (LOCK, SCAN)}


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def rows(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Every column of every sample, by source."""
    found = {}
    for shard in manifest(folder)["shards"]:
        with h5py.File(folder / shard["name"]) as file:
            columns = {name: file[name][:] for name in file}
        for row, source in enumerate(columns["source"]):
            found[source.decode()] = {name: column[row] for name, column in columns.items()}
    return found


def relative_error(ours, reference) -> float:
    ours, reference = (torch.as_tensor(np.asarray(x), dtype=torch.float64) for x in (ours, reference))
    return ((ours - reference).norm() / reference.norm()).item()


class CacheCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.temporary.name)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def assert_exit_code(self, result, expected=0):
        self.assertEqual(result.exit_code, expected, result.output)

    def assert_same_files(self, one: Path, other: Path):
        self.assertEqual(hashes(one), hashes(other))


class EveryKindOfPicture(CacheCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images, cls.output = cls.folder / "images", cls.folder / "cache"
        cls.pixels, cls.reasons = cache_pictures.write_folder(cls.images)
        for source, caption in CAPTIONS.items():
            (cls.images / source).with_suffix(".txt").write_text(caption + "\n")
        (cls.images / "metadata.jsonl").write_text(json.dumps({"file_name": "jpeg.jpg", "text": LONG_CAPTION}) + "\n")
        cls.options = ("--training-caption", "a picture", "--flip", "--shard-size", "16")
        cls.result = cache(cls.images, cls.output, *cls.options)
        cls.vae = reference_model.load_vae(programs.TINY_MODEL)

    def encode(self, pixels: np.ndarray):
        tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255 * 2 - 1
        with torch.no_grad():
            return self.vae.encode(tensor).latent_dist

    def test_every_usable_picture_is_cached_and_every_other_is_named_with_a_reason(self):
        self.assert_exit_code(self.result)
        self.assertEqual(sorted(rows(self.output)), sorted(self.pixels))
        skipped = {entry["source"]: entry["reason"] for entry in manifest(self.output)["skipped"]}
        self.assertEqual(sorted(skipped), sorted(self.reasons))
        for source, word in self.reasons.items():
            with self.subTest(source):
                self.assertIn(word, skipped[source])
                self.assertIn(f"{source}: ", self.result.output)
        self.assertIn(f"{len(skipped)} files are not in the cache", self.result.output)
        self.assertRegex(self.result.output, rf"cropped to {SIDE}²: \d+ % of the pictures' area is kept")

    def test_what_is_passed_over_and_what_is_misnamed_is_told(self):
        self.assertRegex(self.result.output, "1 passed over, not meant as pictures of the set:\n +no_extension: a picture without")
        for line in ("gif_by_content.png: a GIF", "really_a_jpeg.png: a JPEG"):
            self.assertIn(line, self.result.output)

    def test_decoders_print_nothing_themselves(self):
        for word in ("libpng", "OpenCV", "Premature", "imdecode_"):
            lines = [l for l in self.result.output.splitlines() if l.startswith(word)]
            self.assertEqual(lines, [])

    def test_mean_and_deviation_are_those_of_diffusers_for_the_pixels_of_pillow(self):
        worst = 0
        for source, row in rows(self.output).items():
            # JPEG decoders may round differently by one step in 255; from CMYK they do by some more
            tolerance = 0.05 if source == "cmyk.jpg" else 5e-3 if self.is_jpeg(source) else TOLERANCE
            with self.subTest(source):
                posterior = self.encode(self.pixels[source])
                mirrored = self.encode(self.pixels[source][:, ::-1])
                for name, reference in (("latent_mean", posterior.mean), ("latent_std", posterior.std),
                                        ("latent_mean_flip", mirrored.mean), ("latent_std_flip", mirrored.std)):
                    error = relative_error(row[name], reference[0])
                    self.assertLess(error, tolerance, name)
                    worst = worst if self.is_jpeg(source) else max(worst, error)
        print(f"worst relative error of latents: {worst:.2e}")

    def is_jpeg(self, source: str) -> bool:
        return (self.images / source).read_bytes()[:3] == b"\xff\xd8\xff"

    def test_sources_are_hashed_and_in_order(self):
        found = rows(self.output)
        self.assertEqual(list(found), sorted(found, key=str.encode))
        for source, row in found.items():
            self.assertEqual(row["source_sha256"].decode(), hashlib.sha256((self.images / source).read_bytes()).hexdigest())

    def test_embeddings_are_those_of_transformers(self):
        from transformers import CLIPTokenizer

        tokenizer = CLIPTokenizer.from_pretrained(programs.TINY_MODEL / "tokenizer")
        encoder = reference_model.load_text_encoder(programs.TINY_MODEL)
        with h5py.File(self.output / "text.h5") as file:
            captions, embeddings = [c.decode() for c in file["caption"][:]], file["embedding"][:]
        self.assertEqual(captions[0], "")
        self.assertEqual(set(captions), {"", "a picture", LONG_CAPTION, *CAPTIONS.values()})
        self.assertEqual(len(captions), len(set(captions)))
        worst = 0
        for caption, embedding in zip(captions, embeddings):
            ids = tokenizer(caption, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
            with torch.no_grad():
                worst = max(worst, relative_error(embedding, encoder(ids).last_hidden_state[0]))
        print(f"worst relative error of text embeddings: {worst:.2e}")
        self.assertLess(worst, TOLERANCE)

    def test_every_picture_has_its_caption(self):
        with h5py.File(self.output / "text.h5") as file:
            captions = [c.decode() for c in file["caption"][:]]
        for source, row in rows(self.output).items():
            expected = LONG_CAPTION if source == "jpeg.jpg" else CAPTIONS.get(source, "a picture")
            self.assertEqual(captions[row["caption_index"]], expected, source)

    def test_a_caption_that_is_cut_is_told_with_what_it_loses(self):
        self.assertIn("longer than 75 tokens", self.result.output)
        self.assertIn('loses "word28', self.result.output)

    def test_any_number_of_ranks_writes_the_same_bytes(self):
        for ranks in (2, 3):
            output = self.folder / f"ranks{ranks}"
            self.assert_exit_code(cache(self.images, output, *self.options, ranks=ranks))
            self.assert_same_files(self.output, output)

    def test_any_number_of_threads_writes_the_same_bytes(self):
        for threads in (1, 3):
            output = self.folder / f"threads{threads}"
            self.assert_exit_code(cache(self.images, output, *self.options, "--cpu-threads", threads))
            self.assert_same_files(self.output, output)

    def test_a_second_run_touches_nothing(self):
        before = stamps(self.output)
        result = cache(self.images, self.output, *self.options)
        self.assert_exit_code(result)
        self.assertIn("nothing has changed", result.output)
        self.assertEqual(stamps(self.output), before)

    def test_verify_and_info_say_what_is_there(self):
        result = programs.run("cache_latents", "verify", self.output)
        self.assert_exit_code(result)
        self.assertIn(f"{len(self.pixels)} pictures", result.output)
        info = programs.run("cache_latents", "info", self.output)
        self.assert_exit_code(info)
        for word in (f"{len(self.pixels)}\n", f"{SIDE} x {SIDE}", "mirror images", "broken/huge.png"):
            self.assertIn(word, info.output)


class Resizing(CacheCase):
    """A picture of blocks: what an area filter must give is exact, and Lanczos keeps to it away from the edges."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vae = reference_model.load_vae(programs.TINY_MODEL)

    def error_of(self, name: str, image, expected: np.ndarray) -> float:
        images, output = self.folder / name, self.folder / f"{name}-cache"
        images.mkdir()
        image.save(images / "image.png")
        self.assert_exit_code(cache(images, output, "--training-caption", ""))
        tensor = torch.from_numpy(expected.copy()).permute(2, 0, 1)[None].float() / 255 * 2 - 1
        with torch.no_grad():
            return relative_error(rows(output)["image.png"]["latent_mean"], self.vae.encode(tensor).latent_dist.mean[0])

    def test_shrinking_averages_areas_and_cuts_out_the_centre(self):
        pixels = np.asarray(cache_pictures.photograph("chelsea.png", 4 * SIDE))[:, : 3 * SIDE]  # taller than wide
        wide = np.concatenate([pixels, pixels], axis=1)[: 2 * SIDE, : 5 * SIDE]  # 256 × 640: half of it, centre
        means = wide.reshape(SIDE, 2, -1, 2, 3).mean(axis=(1, 3))
        left = (means.shape[1] - SIDE) // 2
        expected = np.floor(means[:, left : left + SIDE] + 0.5).astype(np.uint8)
        error = self.error_of("wide", cache_pictures.Image.fromarray(wide), expected)
        self.assertLess(error, 5e-3)
        tall = cache_pictures.Image.fromarray(np.ascontiguousarray(wide.transpose(1, 0, 2)))
        self.assertLess(self.error_of("tall", tall, expected.transpose(1, 0, 2)), 5e-3)

    def test_growing_is_a_lanczos_filter(self):
        from PIL import Image

        small = cache_pictures.photograph("coffee.png", SIDE // 2)
        expected = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        self.assertLess(self.error_of("small", small, expected), 0.1)


class Increments(CacheCase):
    OPTIONS = ("--shard-size", "4", "--training-caption", "a picture")

    def setUp(self):
        self.images, self.output = self.folder / f"{self.id()}-images", self.folder / f"{self.id()}-cache"
        self.images.mkdir()
        for number in range(18):
            picture = cache_pictures.photograph(cache_pictures.PHOTOGRAPHS[number % 6]).rotate(15 * number)
            picture.save(self.images / f"picture{number:02}.png")

    def update(self, *options, ranks=None):
        result = cache(self.images, self.output, *self.OPTIONS, *options, ranks=ranks)
        self.assert_exit_code(result)
        return result.output

    def assert_as_fresh(self, *options):
        fresh = self.folder / f"{self.id()}-fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        self.assert_exit_code(cache(self.images, fresh, *self.OPTIONS, *options))
        self.assert_same_files(self.output, fresh)

    def changed_files(self, before):
        after = stamps(self.output)
        return {name for name in before.keys() | after.keys() if not name.startswith(".") and before.get(name) != after.get(name)}

    def test_a_changed_picture_rebuilds_its_shard_alone(self):
        self.update()
        before = stamps(self.output)
        cache_pictures.photograph("rocket.jpg").save(self.images / "picture05.png")
        self.assertIn("1 pictures encoded", self.update())
        self.assertEqual(self.changed_files(before), {"shard-00001.h5", "manifest.json"})
        self.assert_as_fresh()

    def test_a_picture_at_the_front_moves_the_others_without_encoding_them_again(self):
        self.update()
        cache_pictures.photograph("rocket.jpg").save(self.images / "a_new_one.png")
        self.assertIn("1 pictures encoded, 18 not again", self.update(ranks=2))
        self.assert_as_fresh()

    def test_removed_pictures_leave_and_their_shards_too(self):
        self.update()
        for number in range(3, 18):
            (self.images / f"picture{number:02}.png").unlink()
        self.assertIn("0 pictures encoded", self.update())
        self.assertEqual(sorted(hashes(self.output)), ["manifest.json", "shard-00000.h5", "text.h5"])
        self.assert_as_fresh()

    def test_a_changed_caption_touches_the_text_and_its_shard(self):
        (self.images / "picture07.txt").write_text("one")
        self.update()
        before = stamps(self.output)
        (self.images / "picture07.txt").write_text("another")
        self.assertIn("0 pictures encoded", self.update())
        self.assertEqual(self.changed_files(before), {"text.h5", "manifest.json"})
        self.assert_as_fresh()

    def test_other_settings_make_everything_anew(self):
        self.update()
        before = stamps(self.output)
        self.assertIn("18 pictures encoded", self.update("--flip", "--rebuild"))
        self.assertIn("shard-00000.h5", self.changed_files(before))
        self.assert_as_fresh("--flip")
        self.assertIn("18 pictures encoded", self.update("--rebuild"))
        self.assert_as_fresh()

    def test_another_vae_makes_every_latent_anew_and_keeps_the_text(self):
        self.update()
        before = stamps(self.output)
        model = self.folder / "other-model"
        shutil.copytree(programs.TINY_MODEL, model)
        weights = model / "vae/diffusion_pytorch_model.safetensors"
        data = bytearray(weights.read_bytes())
        data[-2] ^= 0x10
        weights.write_bytes(data)
        result = cache(self.images, self.output, *self.OPTIONS, "--rebuild", model=model)
        self.assert_exit_code(result)
        self.assertIn("18 pictures encoded", result.output)
        self.assertNotIn("text.h5", self.changed_files(before))

    def test_damage_is_found_named_and_repaired(self):
        self.update()
        good = hashes(self.output)
        for name in ("shard-00002.h5", "text.h5"):
            data = bytearray((self.output / name).read_bytes())
            for place in (len(data) // 3, len(data) - 1, 40):
                damaged = bytearray(data)
                damaged[place] ^= 1
                (self.output / name).write_bytes(damaged)
                result = programs.run("cache_latents", "verify", self.output)
                self.assert_exit_code(result, programs.BAD_DATA)
                self.assertIn(name, result.output)
            (self.output / name).write_bytes(data[: len(data) // 2])
            self.assert_exit_code(programs.run("cache_latents", "verify", self.output), programs.BAD_DATA)
        result = programs.run("cache_latents", "verify", self.output)
        for name in ("shard-00002.h5", "text.h5"):
            self.assertIn(name, result.output)  # all flaws at once
        self.update()
        self.assertEqual(hashes(self.output), good)

    def test_a_cache_without_a_manifest_is_refused_and_finished_from_its_shards(self):
        self.update()
        good = hashes(self.output)
        (self.output / "manifest.json").unlink()
        result = programs.run("cache_latents", "verify", self.output)
        self.assert_exit_code(result, programs.BAD_DATA)
        self.assertIn("not a finished cache", result.output)
        self.assertIn("18 pictures taken from 5 shards by their own hashes", self.update())
        self.assertEqual(hashes(self.output), good)

    def test_a_run_killed_at_any_moment_ends_in_the_same_bytes(self):
        reference = self.folder / f"{self.id()}-reference"
        start = time.monotonic()
        self.assert_exit_code(cache(self.images, reference, *self.OPTIONS))
        whole_seconds = time.monotonic() - start
        killed = 0
        for part in range(1, 9):
            delay_seconds = whole_seconds * part / 9
            shutil.rmtree(self.output, ignore_errors=True)
            for attempt in range(3):
                process = subprocess.Popen(cache_command(self.images, self.output, *self.OPTIONS), env=programs.ENVIRONMENT,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(delay_seconds)
                process.send_signal(signal.SIGKILL)
                killed += process.wait() == -signal.SIGKILL
            self.update()
            self.assert_same_files(self.output, reference)
        self.assertGreater(killed, 8)

    def test_a_killed_update_goes_on_with_the_old_latents(self):
        self.update()
        cache_pictures.photograph("rocket.jpg").save(self.images / "a_new_one.png")
        process = subprocess.Popen(cache_command(self.images, self.output, *self.OPTIONS), env=programs.ENVIRONMENT,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (self.output / "unfinished.json").exists() and process.poll() is None:
            time.sleep(0.0005)
        process.kill()
        self.assertEqual(process.wait(), -signal.SIGKILL)
        (self.output / ".shard-00000.h5.tmp-12345").write_bytes(b"half")
        self.assertRegex(self.update(), "[01] pictures encoded")
        self.assertEqual(sorted(hashes(self.output)), ["manifest.json", *(f"shard-0000{n}.h5" for n in range(5)), "text.h5"])
        self.assert_as_fresh()

    def test_other_files_in_the_output_stay(self):
        self.output.mkdir()
        (self.output / "notes.txt").write_text("mine")
        self.update()
        self.assertEqual((self.output / "notes.txt").read_text(), "mine")


class Refusals(CacheCase):
    def setUp(self):
        self.images, self.output = self.folder / f"{self.id()}-images", self.folder / f"{self.id()}-cache"
        self.images.mkdir()

    def add_picture(self, name="one.png"):
        cache_pictures.photograph("coffee.png").save(self.images / name)

    def assert_refused(self, result, exit_code, *words):
        self.assert_exit_code(result, exit_code)
        for word in words:
            self.assertIn(word, result.output)

    def test_pictures_without_captions_are_listed(self):
        for number in range(25):
            self.add_picture(f"number{number:02}.png")
        (self.images / "number03.txt").write_text("the only caption")
        for ranks in (None, 2):
            result = cache(self.images, self.output, ranks=ranks)
            self.assert_refused(result, programs.BAD_DATA, "24 of 25 images have no caption", "number00.png", "and 4 more")
            self.assertNotIn("number03.png", result.output)
            self.assertEqual(result.output.count("have no caption"), 1)

    def test_a_folder_without_usable_pictures_is_refused(self):
        self.assert_refused(cache(self.images, self.output), programs.BAD_DATA, "no usable image")
        (self.images / "a.png").write_bytes(b"")
        self.assert_refused(cache(self.images, self.output), programs.BAD_DATA, "a.png: an empty file")
        png = cache_pictures.encoded(cache_pictures.photograph("coffee.png"), "PNG")
        (self.images / "a.png").write_bytes(png[: len(png) // 2])
        self.assert_refused(cache(self.images, self.output, "--training-caption", "x"), programs.BAD_DATA, "a.png: damaged")
        self.assertFalse((self.output / "manifest.json").exists())

    def test_options_are_checked(self):
        self.add_picture()
        self.assert_refused(cache(self.folder / "nowhere", self.output), programs.USAGE, "image folder does not exist")
        self.assert_refused(cache(self.images, self.output, model=self.folder), programs.USAGE, "vae")
        self.assert_refused(cache(self.images, self.output, "--shard-size", 0), programs.USAGE, "--shard-size")
        for size in (0, 100, 100000):
            result = programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", self.images, "--output", self.output,
                                  "--img-size", size)
            self.assert_refused(result, programs.USAGE, "--img-size")
        self.assert_refused(programs.run("cache_latents", "--model", programs.TINY_MODEL), programs.USAGE, "--images")
        self.assert_refused(programs.run("cache_latents", "--imges", "x"), programs.USAGE, "--images")

    def test_an_output_that_cannot_be_written_is_an_error_of_the_file_system(self):
        self.add_picture()
        blocked = self.folder / "a_file"
        blocked.write_text("")
        self.assert_refused(cache(self.images, blocked / "cache", "--training-caption", ""), programs.IO, "a_file")

    def test_a_second_run_at_the_same_time_is_refused(self):
        import fcntl

        self.add_picture()
        self.output.mkdir()
        with open(self.output / LOCK, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assert_refused(cache(self.images, self.output, "--training-caption", ""), programs.MISMATCH, "another run that is alive")
        self.assert_exit_code(cache(self.images, self.output, "--training-caption", ""))

    def test_a_full_disk_leaves_no_half_cache(self):
        for number in range(6):
            self.add_picture(f"{number}.png")
        command = ["prlimit", "--fsize=20000", *cache_command(self.images, self.output, "--training-caption", "")]
        done = subprocess.run(command, env=programs.ENVIRONMENT, capture_output=True, text=True, preexec_fn=self.ignore_file_size_signal)
        self.assertEqual(done.returncode, programs.IO, done.stderr)
        self.assertEqual(sorted(hashes(self.output)), ["unfinished.json"])
        self.assert_exit_code(cache(self.images, self.output, "--training-caption", ""))

    @staticmethod
    def ignore_file_size_signal():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write then fails with EFBIG, as on a full disk


if __name__ == "__main__":
    unittest.main(verbosity=2)
