"""Pictures of many shapes, in kohya's folders: buckets, crops and repeats by kohya's rules computed in Python, latents by diffusers, the order
of the samples, the replay in PyTorch, and the same bytes on any number of ranks and after a stop."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np
import pillow_heif
import torch
from PIL import Image
from safetensors import safe_open

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("support", "data")]
import aspect_buckets
import cache_pictures
import programs
import reference_model
import runs
from area_filter import shrunk
from seeds import sample_at
from traced_runs import assert_replays, assert_same_adapter, stop_after_a_step

pillow_heif.register_heif_opener()
RESOLUTION, LEAST, GREATEST, STEP = 128, 64, 256, 64
STEPS, BATCH, MICRO_BATCH, SEED = 12, 4, 2, 3
SIZES = [(128, 128), (512, 512), (300, 451), (451, 300), (600, 400), (448, 128), (128, 448), (384, 128), (90, 200), (1000, 90), (64, 256), (60, 50)]
REPEATS = {"3_ink drawing": 3, "1_pen": 1}


def photograph(number):
    """SIZES[number], of a photograph."""
    picture = cache_pictures.photograph(cache_pictures.PHOTOGRAPHS[number % len(cache_pictures.PHOTOGRAPHS)], side=512)
    return picture.resize(SIZES[number])


def save_photograph(number, folder):
    folder.mkdir(parents=True, exist_ok=True)
    photograph(number).save(folder / f"{number}.png")


class Row:
    """One sample of a cache."""

    def __init__(self, columns, row, size):
        self.size = size
        for name, values in columns.items():
            setattr(self, name, values[row])


def rows_of(cache):
    """By source, in order."""
    rows = {}
    for shard in json.loads((cache / "manifest.json").read_text())["shards"]:
        with h5py.File(cache / shard["name"]) as file:
            columns = {name: file[name][:] for name in file}
            size = (int(file.attrs["image_width"]), int(file.attrs["image_height"]))
            assert size == (shard["width"], shard["height"])
        for row, source in enumerate(columns["source"]):
            rows[source.decode()] = Row(columns, row, size)
    return rows


def make_cache(images, output, *options, ranks=None):
    return programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", images, "--output", output, "--img-size", RESOLUTION,
                        "--bucket-min", LEAST, "--bucket-max", GREATEST, "--bucket-step", STEP, *options, ranks=ranks)


class AspectBuckets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-buckets-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.images, cls.cache = cls.directory / "images", cls.directory / "cache"
        cls.sizes = {}
        for number, size in enumerate(SIZES):
            folder = list(REPEATS)[number % 2]
            save_photograph(number, cls.images / folder)
            cls.sizes[f"{folder}/{number}.png"] = size
        (cls.images / "3_ink drawing/4.txt").write_text("a caption of its own")
        cls.made = make_cache(cls.images, cls.cache, "--aspect-buckets", "--shard-size", 3)
        assert cls.made.exit_code == 0, cls.made.output
        cls.rows = rows_of(cls.cache)
        cls.run_on_two = cls.directory / "two"
        cls.said = cls.train(cls.run_on_two, ranks=2, trace_dir=cls.run_on_two / "trace")

    @classmethod
    def command(cls, run, **options):
        ranks = options.pop("ranks", None)
        settings = {"data": cls.cache, "max_steps": STEPS, "batch_size": BATCH, "micro_batch_size": MICRO_BATCH, "seed": SEED, **options}
        return programs.command("trainer", *programs.train_options(run, **settings), ranks=ranks)

    @classmethod
    def train(cls, run, **options):
        done = subprocess.run(cls.command(run, **options), env=programs.ENVIRONMENT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def test_are_kohyas_with_his_crops(self):
        self.assertEqual(sorted(self.rows), sorted(self.sizes))
        self.assertGreaterEqual(len({row.size for row in self.rows.values()}), 4)
        for source, row in self.rows.items():
            bucket, resized, corner = aspect_buckets.fit(*self.sizes[source], RESOLUTION, LEAST, GREATEST, STEP)
            self.assertEqual(row.size, bucket, source)
            self.assertEqual((row.original_width, row.original_height), self.sizes[source])
            self.assertEqual((row.resized_width, row.resized_height), resized, source)
            self.assertEqual((row.crop_left, row.crop_top), corner, source)
            self.assertEqual(row.latent_mean.shape[1:], (bucket[1] // 8, bucket[0] // 8))

    def test_without_enlarging_are_kohyas_too(self):
        cache = self.directory / "smaller"
        result = programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", self.images, "--output", cache, "--img-size",
                              RESOLUTION, "--aspect-buckets", "--bucket-no-upscale", "--bucket-step", 32)
        self.assertEqual(result.exit_code, 0, result.output)
        rows = rows_of(cache)
        self.assertEqual(len(rows), len(SIZES))
        for source, row in rows.items():
            bucket, resized, corner = aspect_buckets.fit_without_upscale(*self.sizes[source], RESOLUTION, step=32)
            self.assertEqual((row.size, (row.resized_width, row.resized_height), (row.crop_left, row.crop_top)), (bucket, resized, corner))
            self.assertLessEqual(row.resized_width, row.original_width)

    def test_hold_the_latents_that_diffusers_makes_of_the_cropped_pictures(self):
        vae, worst, compared = reference_model.load_vae(programs.TINY_MODEL), 0, 0
        for source, row in self.rows.items():
            if row.resized_width > row.original_width:
                continue  # enlarged, by another filter
            resized = shrunk(photograph(int(pathlib.Path(source).stem)), (row.resized_width, row.resized_height))
            pixels = resized[row.crop_top:row.crop_top + row.size[1], row.crop_left:row.crop_left + row.size[0]]
            with torch.no_grad():
                reference = vae.encode(torch.from_numpy(pixels / 255 * 2 - 1).float().permute(2, 0, 1)[None]).latent_dist.mean[0].numpy()
            error = np.linalg.norm(row.latent_mean - reference) / np.linalg.norm(reference)
            self.assertLess(error, 2e-3, source)  # an average between two levels may be rounded to either
            worst = max(worst, error)
            compared += 1
        print(f"\nlatents of {compared} cropped photographs against diffusers: at most {worst:.1e}")
        self.assertGreater(compared, 6)

    def test_are_chosen_for_the_upright_picture(self):
        images, cache = self.directory / "turned", self.directory / "turned-cache"
        images.mkdir()
        exif = Image.Exif()
        exif[cache_pictures.EXIF_ORIENTATION] = 6
        for kind in ("png", "jpeg", "webp", "tiff", "heif", "avif"):
            photograph(7).save(images / f"a.{kind}".replace("heif", "heic"), kind, exif=exif.tobytes())
        (images / "a.txt").write_text("turned")
        result = make_cache(images, cache, "--aspect-buckets")
        self.assertEqual(result.exit_code, 0, result.output)
        width, height = SIZES[7]
        for source, row in rows_of(cache).items():
            self.assertEqual((row.original_width, row.original_height), (height, width), source)
            self.assertEqual(row.size, aspect_buckets.fit(height, width, RESOLUTION, LEAST, GREATEST, STEP)[0], source)
        self.assertEqual(len(rows_of(cache)), 6)

    def test_of_folders_named_by_kohya_have_their_repeats_and_captions(self):
        with h5py.File(self.cache / "text.h5") as file:
            texts = [text.decode() for text in file["caption"][:]]
        for source, row in self.rows.items():
            folder = source.split("/")[0]
            self.assertEqual(getattr(row, "repeats", 1), REPEATS[folder], source)
            expected = "a caption of its own" if source.endswith("/4.png") else folder.split("_", 1)[1]
            self.assertEqual(texts[row.caption_index], expected, source)
        self.assertIn('3_ink drawing: each picture 3 times an epoch; "ink drawing" is the caption', self.made.output)

    def test_are_shown_in_a_table_when_made_and_by_info(self):
        info = programs.run("cache_latents", "info", self.cache).output
        for text in (self.made.output, info):
            lines = re.findall(r"^(\d+x\d+|all) +(\d+) +(\d+) +([\d.]+) % +(\d+)$", text, re.M)
            self.assertEqual([line[0] for line in lines[:-1]], [f"{w}x{h}" for w, h in sorted({row.size for row in self.rows.values()})])
            rows = self.rows.values()
            self.assertEqual(lines[-1][:3], ("all", str(len(rows)), str(sum(REPEATS[source.split("/")[0]] for source in self.rows))))
            lost = np.mean([1 - row.size[0] * row.size[1] / (row.resized_width * row.resized_height) for row in rows])
            self.assertAlmostEqual(float(lines[-1][3]), 100 * lost, delta=0.06)
            enlarged = sum(row.resized_width > row.original_width or row.resized_height > row.original_height for row in rows)
            self.assertEqual(int(lines[-1][4]), enlarged)
        self.assertRegex(info, r"image size +aspect buckets of at most 128², 64 … 256 pixels in steps of 64")
        self.assertRegex(info, r"pictures an epoch +\d+, with repeats")

    def groups(self):
        of_size = {}
        for sample, (source, row) in enumerate(self.rows.items()):
            of_size.setdefault(row.size, []).extend([sample] * REPEATS[source.split("/")[0]])
        return list(of_size.values())

    def test_are_trained_in_the_order_that_seed_sizes_and_micro_batch_size_give(self):
        groups, sources = self.groups(), list(self.rows)
        for file in sorted((self.run_on_two / "trace").glob("step-*.sample-*.safetensors")):
            step, slot = map(int, re.findall(r"\d+", file.name))
            with safe_open(file, "pt") as opened:
                index, source = opened.get_tensor("sample_index").item(), opened.metadata()["source"]
                shape = tuple(opened.get_tensor("latents").shape)
            self.assertEqual(index, sample_at(SEED, (step - 1) * BATCH + slot, groups, MICRO_BATCH)[0], (step, slot))
            self.assertEqual(source, sources[index])
            self.assertEqual(shape[1:], self.rows[source].latent_mean.shape[1:])

    def test_have_every_picture_as_often_as_it_is_repeated(self):
        # After this many epochs every size's row ends with a whole micro-batch.
        counts = np.zeros(len(self.rows), int)
        for position in range(MICRO_BATCH * sum(map(len, self.groups()))):
            counts[sample_at(SEED, position, self.groups(), MICRO_BATCH)[0]] += 1
        self.assertEqual(list(counts), [MICRO_BATCH * REPEATS[source.split("/")[0]] for source in self.rows])
        self.assertIn(f"with repeats {sum(map(len, self.groups()))} an epoch", self.said)

    def test_replay_in_pytorch(self):
        assert_replays(self, self.run_on_two)

    def test_give_the_same_bytes_on_one_rank_and_after_a_stop_on_another_number(self):
        self.train(self.directory / "one", ranks=1)
        assert_same_adapter(self, self.directory / "one", self.run_on_two)
        run = self.directory / "stopped"
        stop_after_a_step(self, self.command(run, ranks=2), run)
        self.train(run, ranks=1)
        assert_same_adapter(self, run, self.run_on_two)

    def test_are_the_same_files_on_any_number_of_ranks(self):
        output = self.directory / "by-three"
        result = make_cache(self.images, output, "--aspect-buckets", "--shard-size", 3, ranks=3)
        self.assertEqual(result.exit_code, 0, result.output)
        for file in sorted(self.cache.glob("*.*5")) + [self.cache / "manifest.json"]:
            self.assertEqual(file.read_bytes(), (output / file.name).read_bytes(), file.name)
        self.assertEqual(programs.run("cache_latents", "verify", output).exit_code, 0)

    def test_keep_what_is_encoded_when_pictures_come_and_go(self):
        images, output = self.directory / "fewer", self.directory / "fewer-cache"
        shutil.copytree(self.images, images)
        self.assertEqual(make_cache(images, output, "--aspect-buckets").exit_code, 0)
        (images / "1_pen/1.png").unlink()
        photograph(4).transpose(0).save(images / "1_pen/new.png")
        again = make_cache(images, output, "--aspect-buckets")
        self.assertEqual(again.exit_code, 0, again.output)
        self.assertRegex(again.output, rf"; 1 pictures encoded, {len(SIZES) - 1} not again")

    def test_with_validation_and_a_held_out_part(self):
        output = self.train(self.directory / "validated", validation_split=0.3, validation_every=6)
        self.assertIn("held out", output)
        losses = [record["validation_loss"] for record in runs.records_of(self.directory / "validated") if "validation_loss" in record]
        self.assertGreaterEqual(len(losses), 2)
        self.assertTrue(np.isfinite(losses).all(), losses)

    def test_of_which_no_micro_batch_is_filled_are_named(self):
        alone = [f"{w}x{h}" for (w, h), count in self.epoch_counts().items() if count < 3]
        self.assertTrue(alone)
        said = self.train(self.directory / "one-step", max_steps=1, batch_size=12, micro_batch_size=12, warmup_steps=0)
        line = next(line for line in said.splitlines() if "are never trained" in line)
        for size in alone:
            self.assertIn(size, line)
        self.assertNotIn("are never trained", self.said)

    def epoch_counts(self):
        counts = {}
        for source, row in self.rows.items():
            counts[row.size] = counts.get(row.size, 0) + REPEATS[source.split("/")[0]]
        return counts

    def test_that_a_picture_is_too_small_for_leave_it_out_and_say_so(self):
        images = self.directory / "small"
        images.mkdir()
        photograph(7).resize((300, 20)).save(images / "strip.png")
        photograph(7).save(images / "good.png")
        options = ("--model", programs.TINY_MODEL, "--images", images, "--img-size", RESOLUTION, "--aspect-buckets", "--bucket-no-upscale",
                   "--training-caption", "x")
        result = programs.run("cache_latents", *options, "--output", self.directory / "small-cache")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertRegex(result.output, "strip.png: 300 x 20 pixels: for --bucket-no-upscale a side is shorter than --bucket-step 64")
        strict = programs.run("cache_latents", *options, "--output", self.directory / "small-strict", "--strict")
        self.assertEqual(strict.exit_code, programs.BAD_DATA, strict.output)

    def test_are_another_cache_also_where_the_manifest_is_lost(self):
        cache = self.directory / "lost"
        shutil.copytree(self.cache, cache)
        (cache / "manifest.json").unlink()
        self.assertEqual(make_cache(self.images, cache, "--aspect-buckets", "--shard-size", 3).exit_code, 0)
        self.assertEqual((cache / "manifest.json").read_bytes(), (self.cache / "manifest.json").read_bytes())
        (cache / "manifest.json").unlink()
        result = programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", self.images, "--output", cache, "--img-size",
                              RESOLUTION, "--aspect-buckets", "--bucket-no-upscale", "--shard-size", 3)
        self.assertEqual(result.exit_code, programs.MISMATCH, result.output)
        self.assertIn("--aspect-buckets: others, now in steps of 64 pixels, never enlarged", result.output)

    def test_are_refused_where_they_do_not_fit(self):
        for options, code, words in (
                (("--bucket-min", 32), programs.USAGE, "buckets are described, but not asked for"),
                (("--aspect-buckets", "--bucket-min", 100, "--bucket-step", 20), programs.USAGE, "--bucket-step does not fit the model"),
                (("--aspect-buckets", "--bucket-step", 0), programs.USAGE, "--bucket-step is out of range"),
                (("--aspect-buckets", "--bucket-max", 2**63 - 1), programs.USAGE, "--bucket-max is out of range"),
                (("--aspect-buckets", "--bucket-step", 2**63 - 1), programs.USAGE, "--bucket-step is out of range"),
                (("--aspect-buckets", "--bucket-min", -2**63), programs.USAGE, "--bucket-min does not fit"),
                (("--aspect-buckets", "--bucket-no-upscale", "--bucket-min", 64), programs.USAGE, "do nothing with --bucket-no-upscale"),
                (("--aspect-buckets", "--bucket-min", 512), programs.USAGE, "--bucket-min does not fit"),
                (("--aspect-buckets", "--bucket-min", 64, "--bucket-max", 64), programs.USAGE, "--bucket-max does not fit")):
            result = programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", self.images, "--output",
                                  self.directory / "refused", "--img-size", RESOLUTION, *options)
            self.assertEqual(result.exit_code, code, result.output)
            self.assertIn(words, result.output)
        result = programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", self.images, "--output", self.cache, "--img-size",
                              RESOLUTION)
        self.assertEqual(result.exit_code, programs.MISMATCH, result.output)
        self.assertIn("--aspect-buckets: 64 … 256 pixels in steps of 64, now off", result.output)


class RepeatsOfSquares(unittest.TestCase):
    """Folders with repeats, mirrored, without buckets."""

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-repeats-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.images, cls.cache = cls.directory / "images", cls.directory / "cache"
        for number in range(5):
            save_photograph(number, cls.images / ("4_dog" if number < 2 else "1_cat"))
        cls.made = cls.make(cls.cache, "--flip")

    @classmethod
    def make(cls, output, *options, images=None):
        return programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", images or cls.images, "--output", output,
                            "--img-size", 64, *options)

    def test_are_trained_as_often_also_mirrored_and_after_a_stop(self):
        self.assertEqual(self.made.exit_code, 0, self.made.output)
        groups = [[sample for sample in range(10) for _ in range(1 if sample % 5 < 3 else 4)]]  # 1_cat comes before 4_dog
        run, trace = self.directory / "run", self.directory / "trace"
        result = programs.train(run, ranks=2, data=self.cache, max_steps=11, trace_dir=trace)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("with repeats 22 an epoch", result.output)
        for file in sorted(trace.glob("step-*.sample-*.safetensors")):
            step, slot = map(int, re.findall(r"\d+", file.name))
            with safe_open(file, "pt") as opened:
                self.assertEqual(opened.get_tensor("sample_index").item(), sample_at(0, (step - 1) * 4 + slot, groups, 1)[0])
        stopped = self.directory / "stopped"
        self.assertEqual(programs.train(stopped, data=self.cache, max_steps=5).exit_code, 0)
        self.assertEqual(programs.train(stopped, ranks=4, data=self.cache, max_steps=11).exit_code, 0)
        whole = self.directory / "whole"
        self.assertEqual(programs.train(whole, data=self.cache, max_steps=5).exit_code, 0)
        self.assertEqual(programs.train(whole, ranks=1, data=self.cache, max_steps=11).exit_code, 0)
        self.assertEqual((stopped / "lora_weights.pt").read_bytes(), (whole / "lora_weights.pt").read_bytes())

    def test_are_asked_for_by_names_alone(self):
        off = self.make(self.directory / "off", "--folder-repeats", "off", "--training-caption", "x")
        self.assertEqual(off.exit_code, 0, off.output)
        manifest = json.loads((self.directory / "off/manifest.json").read_text())
        self.assertEqual(manifest["format_version"], 1)
        both = self.make(self.directory / "both", "--training-caption", "x")
        self.assertIn("--training-caption is not used", both.output)
        mixed = self.directory / "mixed"
        shutil.copytree(self.images, mixed)
        photograph(0).save(mixed / "cover.png")
        result = self.make(self.directory / "mixed-cache", "--training-caption", "x", images=mixed)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("cover.png is in none such", result.output)
        self.assertEqual(json.loads((self.directory / "mixed-cache/manifest.json").read_text())["format_version"], 1)


if __name__ == "__main__":
    unittest.main()
