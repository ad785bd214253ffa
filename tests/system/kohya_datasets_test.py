"""kohya's data-set file: two resolutions, buckets, repeats, regularisation, masks of two kinds, captions by rules of each subset, flips by
chance: everything that is cached and trained, computed again in Python from the file alone, sample by sample; the replay in PyTorch; the
same bytes on any number of ranks and after a stop."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest

import h5py
import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("support", "data")]
import aspect_buckets
import cache_pictures
import caption_rules
import programs
from area_filter import shrunk
from reg_balance import balanced
from seeds import CAPTION, FLIP, generator, sample_at
from traced_runs import assert_replays, assert_same_adapter, stop_after_a_step

STEPS, BATCH, SEED, PRIOR_WEIGHT = 10, 12, 7, 0.4
PICTURES = {"ink/a.png": (200, 400), "ink/b.png": (900, 300), "ink/c.png": (512, 512), "pen/d.png": (256, 256), "pen/e.png": (600, 150),
            "people/p.png": (300, 300), "people/q.png": (260, 300)}
CAPTIONS = {"ink/a": "a fox, red fur, thin lines", "ink/b": "a hare, snow\na hare, in winter, wide margin", "pen/d": "a tree, {old|young} wood, fog"}
CONFIG = """
[general]
caption_extension = ".txt"
shuffle_caption = true
keep_tokens = 1
flip_aug = true
bucket_reso_steps = 64

[[datasets]]
resolution = 128
batch_size = 12
enable_bucket = true
min_bucket_reso = 64
max_bucket_reso = 256

  [[datasets.subsets]]
  image_dir = "FOLDER/ink"
  num_repeats = 2
  class_tokens = "ink drawing"
  conditioning_data_dir = "FOLDER/masks"
  caption_prefix = "drawn"

  [[datasets.subsets]]
  image_dir = "FOLDER/pen"
  class_tokens = "pen drawing"
  alpha_mask = true
  enable_wildcard = true
  caption_tag_dropout_rate = 0.3
  flip_aug = false

  [[datasets.subsets]]
  image_dir = "FOLDER/people"
  class_tokens = "a person"
  is_reg = true
  shuffle_caption = false
  caption_dropout_rate = 0.3

[[datasets]]
resolution = [64, 128]

  [[datasets.subsets]]
  image_dir = "FOLDER/ink"
  class_tokens = "ink drawing"
  num_repeats = 3
  flip_aug = false
"""


def picture(size, number):
    return cache_pictures.photograph(cache_pictures.PHOTOGRAPHS[number % len(cache_pictures.PHOTOGRAPHS)], side=512).resize(size)


def ellipse(size):
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse((size[0] // 4, size[1] // 8, size[0] * 7 // 8, size[1] * 3 // 4), fill=255)
    return mask


def square_crop(size, wanted):
    """resized, (left, top) of a picture that covers `wanted`"""
    scale = max(wanted[0] / size[0], wanted[1] / size[1])
    resized = tuple(max(least, round(length * scale)) for length, least in zip(size, wanted))
    return resized, ((resized[0] - wanted[0]) // 2, (resized[1] - wanted[1]) // 2)


class Expected:
    """What the file says of one picture of one subset."""

    def __init__(self, config, dataset, subset, source):
        def value(key, otherwise=None):
            return next((table[key] for table in (subset, dataset, config["general"]) if key in table), otherwise)

        self.folder = pathlib.Path(subset["image_dir"]).name
        self.file = f"{self.folder}/{source}"
        resolution = dataset["resolution"]
        self.size = (resolution, resolution) if isinstance(resolution, int) else tuple(resolution)
        self.name = f"{'reg:' if value('is_reg') else ''}{self.folder}@{self.size[0]}x{self.size[1]}:{source}"
        self.is_reg, self.flips, self.repeats = value("is_reg", False), value("flip_aug", False), value("num_repeats", 1)
        self.original = PICTURES[self.file]
        if value("enable_bucket"):
            self.bucket, self.resized, self.corner = aspect_buckets.fit(*self.original, resolution, value("min_bucket_reso"),
                                                                        value("max_bucket_reso"), value("bucket_reso_steps"))
        else:
            self.bucket, (self.resized, self.corner) = self.size, square_crop(self.original, self.size)
        self.caption = CAPTIONS.get(self.file.removesuffix(".png"), value("class_tokens"))
        self.rules = caption_rules.Rules(shuffle=value("shuffle_caption", False), keep_tokens=value("keep_tokens", 0),
                                         prefix=value("caption_prefix", ""), wildcards=value("enable_wildcard", False),
                                         tag_dropout=value("caption_tag_dropout_rate", 0), dropout=value("caption_dropout_rate", 0))
        self.mask = "file" if value("conditioning_data_dir") else "alpha" if value("alpha_mask") else None


def expected_samples(config):
    """By the order in the cache: width, height, then subset and source."""
    samples = []
    for dataset in config["datasets"]:
        own = [[Expected(config, dataset, subset, file.split("/")[1]) for file in sorted(PICTURES)
                if file.startswith(pathlib.Path(subset["image_dir"]).name + "/")] for subset in dataset["subsets"]]
        to_be_learnt = sum(sample.repeats for subset in own for sample in subset if not sample.is_reg)
        reg = [sample for subset in own for sample in subset if sample.is_reg]
        for sample, repeats in zip(reg, balanced([sample.repeats for sample in reg], to_be_learnt)):
            sample.repeats = repeats
        samples += [sample for subset in own for sample in subset if sample.repeats]
    return sorted(samples, key=lambda sample: sample.bucket)


class DatasetConfig(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-config-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        for number, (file, size) in enumerate(PICTURES.items()):
            (cls.directory / file).parent.mkdir(exist_ok=True)
            image = picture(size, number)
            if file == "pen/d.png":
                image.putalpha(ellipse(size))
            image.save(cls.directory / file)
        for stem, caption in CAPTIONS.items():
            (cls.directory / f"{stem}.txt").write_text(caption)
        (cls.directory / "masks").mkdir()
        ellipse(PICTURES["ink/a.png"]).save(cls.directory / "masks/a.png")
        ellipse(PICTURES["ink/b.png"]).save(cls.directory / "masks/b.bmp")
        (cls.directory / "ink/below").mkdir()
        picture((100, 100), 3).save(cls.directory / "ink/below/not-taken.png")
        cls.file = cls.directory / "set.toml"
        cls.file.write_text(CONFIG.replace("FOLDER", str(cls.directory)))
        cls.config = tomllib.loads(cls.file.read_text())
        cls.cache = cls.directory / "cache"
        cls.made = cls.make(cls.cache, cls.file, "--shard-size", 3)
        assert cls.made.exit_code == 0, cls.made.output
        cls.expected = expected_samples(cls.config)
        cls.reference = cls.directory / "two"
        cls.said = cls.train(cls.reference, ranks=2, trace_dir=cls.reference / "trace")

    @classmethod
    def make(cls, output, file, *options, ranks=None):
        return programs.run("cache_latents", "--model", programs.TINY_MODEL, "--dataset-config", file, "--output", output, *options, ranks=ranks)

    @classmethod
    def command(cls, run, ranks=None, **options):
        settings = {"data": cls.cache, "max_steps": STEPS, "batch_size": BATCH, "seed": SEED, "prior_loss_weight": PRIOR_WEIGHT, **options}
        return programs.command("trainer", *programs.train_options(run, **settings), "--masked-loss", ranks=ranks)

    @classmethod
    def train(cls, run, **options):
        done = subprocess.run(cls.command(run, **options), env=programs.ENVIRONMENT, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def rows(self):
        for shard in json.loads((self.cache / "manifest.json").read_text())["shards"]:
            with h5py.File(self.cache / shard["name"]) as file:
                columns = {name: file[name][:] for name in file}
            for row in range(shard["samples"]):
                yield {name: values[row] for name, values in columns.items()} | {"size": (shard["width"], shard["height"])}

    def test_decides_sizes_crops_repeats_and_captions(self):
        rows = list(self.rows())
        self.assertEqual([row["source"].decode() for row in rows], [sample.name for sample in self.expected])
        with h5py.File(self.cache / "text.h5") as file:
            texts = [text.decode() for text in file["caption"][:]]
        for row, sample in zip(rows, self.expected):
            self.assertEqual(row["size"], sample.bucket, sample.name)
            self.assertEqual((row["original_width"], row["original_height"]), sample.original)
            self.assertEqual((row["resized_width"], row["resized_height"]), sample.resized, sample.name)
            self.assertEqual((row["crop_left"], row["crop_top"]), sample.corner, sample.name)
            self.assertEqual(row.get("repeats", 1), sample.repeats, sample.name)
            self.assertEqual(texts[row["caption_index"]], sample.caption, sample.name)
        self.assertEqual(len({sample.bucket for sample in self.expected}), 5)
        self.assertIn("2 regularisation pictures, 8 an epoch beside 8 to be learnt", self.made.output)
        self.assertRegex(self.made.output, r"below: a folder in an image_dir")

    def mask_of(self, sample):
        """[h, w]"""
        if sample.mask is None or (sample.mask == "file" and sample.file == "ink/c.png") or (sample.mask == "alpha" and sample.file != "pen/d.png"):
            return np.ones((sample.bucket[1] // 8, sample.bucket[0] // 8), np.float32)
        levels = shrunk(ellipse(sample.original), sample.resized)[..., 0]
        levels = levels[sample.corner[1]:sample.corner[1] + sample.bucket[1], sample.corner[0]:sample.corner[0] + sample.bucket[0]]
        high, wide = sample.bucket[1] // 8, sample.bucket[0] // 8
        return (levels.reshape(high, 8, wide, 8).sum((1, 3)) / (255 * 64)).astype(np.float32)

    def test_decides_masks(self):
        for row, sample in zip(self.rows(), self.expected):
            self.assertLess(np.abs(row["mask"] - self.mask_of(sample)).max(), 0.5 / 255, sample.name)
        self.assertRegex(self.made.output, r"1 of 3 pictures in \S+/ink have no mask")

    def test_decides_order_flips_weights_and_texts_sample_by_sample(self):
        of_size = {}
        for index, sample in enumerate(self.expected):
            of_size.setdefault(sample.bucket, []).extend([index] * sample.repeats)
        groups, masks = list(of_size.values()), [self.mask_of(sample) for sample in self.expected]
        files = sorted((self.reference / "trace").glob("step-*.sample-*.safetensors"))
        self.assertEqual(len(files), STEPS * BATCH)
        mirrored, texts = 0, set()
        for file in files:
            step, slot = map(int, re.findall(r"\d+", file.name))
            index, epoch = sample_at(SEED, (step - 1) * BATCH + slot, groups, 1)
            sample = self.expected[index]
            is_mirrored = sample.flips and torch.randint(2, (1,), generator=generator(SEED, step - 1, slot, FLIP)).item() == 1
            text = caption_rules.text_of(sample.caption, sample.rules, generator(SEED, step - 1, slot, CAPTION), epoch + 1, step - 1, STEPS)
            with safe_open(file, "pt") as opened:
                self.assertEqual(opened.metadata()["source"], sample.name + (" (mirrored)" if is_mirrored else ""), (step, slot))
                self.assertEqual(opened.metadata()["text"], text, (step, slot, sample.name))
                self.assertEqual(opened.get_tensor("loss_weight").item(), np.float32(PRIOR_WEIGHT if sample.is_reg else 1))
                mask = opened.get_tensor("mask")[0].numpy()
            difference = np.abs(mask - (masks[index][:, ::-1] if is_mirrored else masks[index])).max()
            self.assertLess(difference, 0.5 / 255, sample.name)
            mirrored += is_mirrored
            texts.add(text)
        self.assertGreater(mirrored, 10)
        self.assertGreater(len(texts), 15)

    def test_replay_in_pytorch(self):
        assert_replays(self, self.reference)

    def test_gives_the_same_bytes_on_any_number_of_ranks_and_after_a_stop_on_another(self):
        for ranks in (1, 3, 4):
            self.train(self.directory / f"{ranks}-ranks", ranks=ranks)
            assert_same_adapter(self, self.directory / f"{ranks}-ranks", self.reference)
        run = self.directory / "stopped"
        stop_after_a_step(self, self.command(run, ranks=2), run)
        self.train(run, ranks=3)
        assert_same_adapter(self, run, self.reference)

    def test_as_json_and_on_three_ranks_makes_the_same_files(self):
        file = self.directory / "set.json"
        file.write_text(json.dumps(self.config))
        output = self.directory / "by-json"
        result = self.make(output, file, "--shard-size", 3, ranks=3)
        self.assertEqual(result.exit_code, 0, result.output)
        for file in sorted(self.cache.glob("*.*5")) + [self.cache / "manifest.json"]:
            self.assertEqual(file.read_bytes(), (output / file.name).read_bytes(), file.name)
        self.assertEqual(programs.run("cache_latents", "verify", output).exit_code, 0)
        again = self.make(output, self.file, "--shard-size", 3)
        self.assertIn("nothing has changed", again.output)

    def test_of_one_subset_makes_the_cache_of_the_same_options(self):
        file, by_file, by_options = self.directory / "one.toml", self.directory / "one", self.directory / "options"
        file.write_text(f'[[datasets]]\nresolution = 128\nenable_bucket = true\nmin_bucket_reso = 64\nmax_bucket_reso = 256\n'
                        f'subsets = [{{image_dir = "{self.directory}/pen", class_tokens = "x", caption_extension = ".txt"}}]\n')
        self.assertEqual(self.make(by_file, file).exit_code, 0)
        result = programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", self.directory / "pen", "--output", by_options,
                              "--img-size", 128, "--aspect-buckets", "--bucket-min", 64, "--bucket-max", 256, "--training-caption", "x")
        self.assertEqual(result.exit_code, 0, result.output)
        for file in sorted(by_options.glob("*.*5")) + [by_options / "manifest.json"]:
            self.assertEqual(file.read_bytes(), (by_file / file.name).read_bytes(), file.name)

    def test_says_which_batch_size_it_wants(self):
        self.assertIn("batch_size = 12", self.made.output)

    def test_of_other_resolutions_is_another_cache(self):
        file, cache = self.directory / "other.toml", self.directory / "other"
        shutil.copytree(self.cache, cache)
        file.write_text(self.file.read_text().replace("[64, 128]", "64"))
        result = self.make(cache, file, "--shard-size", 3)
        self.assertEqual(result.exit_code, programs.MISMATCH, result.output)
        self.assertIn("resolutions of --dataset-config: 128x128, 128x128, 128x128, 64x128, now 128x128, 128x128, 128x128, 64x64", result.output)

    def test_is_shown_by_a_dry_run_and_info(self):
        words = self.command(self.directory / "dry") + ["--dry-run"]
        said = subprocess.run(words, env=programs.ENVIRONMENT, capture_output=True, text=True)
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("ink@128x128: by rules of its own", said.stdout + said.stderr)
        info = programs.run("cache_latents", "info", self.cache).output
        self.assertRegex(info, r"reg:people@128x128: 2 pictures, 8 an epoch, regularisation")
        self.assertRegex(info, r"(?m)^64x128 +3 +9 ")
        for name in ("ink@128x128", "pen@128x128", "reg:people@128x128", "ink@64x128"):
            self.assertIn(name, info)

    def test_that_cannot_be_used_is_refused(self):
        def refused(words, *options, text=None):
            file = self.directory / "bad.toml"
            file.write_text(text or self.file.read_text())
            result = self.make(self.directory / "refused", file, *options)
            self.assertEqual(result.exit_code, programs.USAGE, result.output)
            self.assertIn(words, result.output)

        refused("image folder does not exist", text='[[datasets]]\nsubsets = [{image_dir = "nowhere"}]')
        refused("color_aug", text=self.file.read_text().replace("flip_aug = true", "color_aug = true"))
        refused("flip_aug = true in the file", "--flip")
        refused("the pictures are", "--images", self.directory / "ink")
        refused("folder of masks", text=self.file.read_text().replace("/masks", "/no-masks"))
        refused("a multiple of 8", text=self.file.read_text().replace("[64, 128]", "[60, 128]"))
        result = self.make(self.directory / "refused", self.directory / "none.toml")
        self.assertIn(result.exit_code, (programs.USAGE, 74), result.output)
        self.assertIn("none.toml", result.output)


if __name__ == "__main__":
    unittest.main()
