"""Masks, regularisation pictures and their weights, several captions a picture: by kohya's rules computed in Python, in the order and with the weights of the trace, the
replay in PyTorch, and the same bytes on any number of ranks and after a stop."""
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
import pillow_jxl  # noqa: F401  (registers JPEG XL)
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("support", "data")]
import aspect_buckets
import cache_pictures
import caption_rules
import programs
import runs
from area_filter import shrunk
from reg_balance import balanced
from seeds import CAPTION, generator, sample_at
from traced_runs import assert_replays, assert_same_adapter, stop_after_a_step

pillow_heif.register_heif_opener()
RESOLUTION, LEAST, GREATEST = 128, 64, 256
STEPS, BATCH, SEED = 10, 12, 5
PRIOR_WEIGHT, UNMASKED_WEIGHT = 0.35, 0.1
SIZES = {"2_ink/a.png": (300, 451), "2_ink/b.png": (451, 300), "2_ink/c.png": (512, 512), "2_ink/d.png": (128, 128), "1_pen/e.png": (600, 400)}
REG_SIZES = {"1_a person/p.png": (400, 400), "1_a person/q.png": (300, 500), "1_a person/r.png": (500, 300)}
REG_REPEATS = {"1_a person/p.png": 3, "1_a person/q.png": 3, "1_a person/r.png": 3}  # 9 to be learnt: 4 x 2 + 1


CAPTIONS = {"2_ink/a.png": ["a fox, red fur, thin lines, white paper"], "2_ink/b.png": ["a hare, in the snow, wide margin"],
            "2_ink/c.png": ["a crow", "a raven, black feathers, on a wall", "a bird"]}
RULES = caption_rules.Rules(shuffle=True, dropout=0.2, keep_tokens=1)


def picture(size, number):
    return cache_pictures.photograph(cache_pictures.PHOTOGRAPHS[number % len(cache_pictures.PHOTOGRAPHS)], side=512).resize(size)


def ellipse(size):
    mask = Image.new("L", size, 0)
    width, height = size
    ImageDraw.Draw(mask).ellipse((width // 4, height // 8, width * 7 // 8, height * 3 // 4), fill=255)
    return mask


def cells_of(levels):
    """[h, w]: the mean over each 8 x 8 of [8 h, 8 w] levels."""
    high, wide = levels.shape[0] // 8, levels.shape[1] // 8
    return (levels.reshape(high, 8, wide, 8).sum((1, 3)) / (255 * 64)).astype(np.float32)


def rows_of(cache):
    """By source, in order: a dictionary of columns each, and the size."""
    rows = {}
    for shard in json.loads((cache / "manifest.json").read_text())["shards"]:
        with h5py.File(cache / shard["name"]) as file:
            columns = {name: file[name][:] for name in file}
        for row, source in enumerate(columns["source"]):
            rows[source.decode()] = {name: values[row] for name, values in columns.items()} | {"size": (shard["width"], shard["height"])}
    return rows


def cache_of(images, output, *options, ranks=None):
    return programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", images, "--output", output, "--img-size", RESOLUTION,
                        *options, ranks=ranks)


BUCKETS = ("--aspect-buckets", "--bucket-min", LEAST, "--bucket-max", GREATEST, "--bucket-step", 64)


class MasksAndRegularisation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-masks-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.images, cls.reg, cls.cache = (cls.directory / name for name in ("images", "reg", "cache"))
        for folder, sizes in ((cls.images, SIZES), (cls.reg, REG_SIZES)):
            for number, (source, size) in enumerate(sizes.items()):
                (folder / source).parent.mkdir(parents=True, exist_ok=True)
                picture(size, number).save(folder / source)
        for source in ("2_ink/a.png", "2_ink/b.png"):
            (cls.images / source).with_suffix(".txt").write_text(CAPTIONS[source][0])
        line = {"file_name": "2_ink/c.png", "text": CAPTIONS["2_ink/c.png"]}
        (cls.images / "metadata.jsonl").write_text(json.dumps(line) + "\n")
        cls.masks = {}  # by source
        for source in ("2_ink/a.png", "2_ink/b.png", "2_ink/d.png"):
            mask = ellipse(SIZES[source]) if source != "2_ink/b.png" else ellipse((902, 600))  # b's: twice as large
            mask.save(cls.images / source.replace(".png", "-masklabel.png"))
            cls.masks[source] = mask
        cls.made = cache_of(cls.images, cls.cache, "--reg-images", cls.reg, "--mask", "file", "--shard-size", 3, *BUCKETS)
        assert cls.made.exit_code == 0, cls.made.output
        cls.rows = rows_of(cls.cache)
        cls.reference = cls.directory / "two"
        cls.said = cls.train(cls.reference, ranks=2, trace_dir=cls.reference / "trace")

    @classmethod
    def command(cls, run, ranks=None, **options):
        settings = {"data": cls.cache, "max_steps": STEPS, "batch_size": BATCH, "seed": SEED, "prior_loss_weight": PRIOR_WEIGHT,
                    "unmasked_weight": UNMASKED_WEIGHT, "caption_dropout": 0.2, "caption_keep_tokens": 1, **options}
        return programs.command("trainer", *programs.train_options(run, **settings), "--masked-loss", "--caption-shuffle", ranks=ranks)

    @classmethod
    def train(cls, run, **options):
        done = subprocess.run(cls.command(run, **options), env=programs.ENVIRONMENT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def test_regularisation_pictures_are_repeated_as_kohya_balances_them(self):
        to_be_learnt = sum(int(source.split("_")[0]) for source in SIZES)
        self.assertEqual(balanced([1, 1, 1], to_be_learnt), list(REG_REPEATS.values()))
        self.assertEqual(sorted(self.rows), sorted([*SIZES, *(f"reg:{source}" for source in REG_SIZES)]))
        for source, row in self.rows.items():
            is_reg = source.startswith("reg:")
            self.assertEqual(row.get("subset", 0), int(is_reg), source)
            self.assertEqual(row["repeats"], REG_REPEATS[source[4:]] if is_reg else int(source.split("_")[0]), source)
        self.assertIn("3 regularisation pictures, 9 an epoch beside 9 to be learnt", self.made.output)
        manifest = json.loads((self.cache / "manifest.json").read_text())
        self.assertEqual(manifest["subsets"], [{"name": "", "is_reg": False}, {"name": "reg", "is_reg": True}])

    def test_regularisation_pictures_have_captions_of_their_own(self):
        with h5py.File(self.cache / "text.h5") as file:
            texts = [text.decode() for text in file["caption"][:]]
        for source, row in self.rows.items():
            if source.startswith("reg:"):
                self.assertEqual(texts[row["caption_index"]], "a person", source)

    def test_surplus_regularisation_pictures_are_neither_cached_nor_read_for_captions(self):
        images, reg, cache = (self.directory / name for name in ("few", "many", "many-cache"))
        for number in range(5):
            save_to = images / f"1_x/{number}.png"
            save_to.parent.mkdir(parents=True, exist_ok=True)
            picture((128, 128), number).save(save_to)
        for number in range(4):
            save_to = reg / f"2_y {'z' if number == 3 else ''}/{number}.png"
            save_to.parent.mkdir(parents=True, exist_ok=True)
            picture((140, 128), number + 1).save(save_to)
        result = cache_of(images, cache, "--reg-images", reg)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("3 regularisation pictures, 6 an epoch beside 5 to be learnt; 1 more are not needed and not cached, from reg:2_y z/3.png on",
                      result.output)
        self.assertEqual(json.loads((cache / "manifest.json").read_text())["sample_count"], 8)
        with h5py.File(cache / "text.h5") as file:
            self.assertNotIn(b"y z", list(file["caption"][:]))
        self.assertRegex(programs.run("cache_latents", "info", cache).output, r"reg: 3 pictures, 6 an epoch, regularisation")

    def test_masks_are_cropped_like_their_pictures_and_averaged_to_the_cells_of_the_latents(self):
        worst = 0
        for source, row in self.rows.items():
            self.assertEqual(row["mask"].shape, row["latent_mean"].shape[1:])
            if source not in self.masks:
                self.assertTrue((row["mask"] == 1).all(), source)
                self.assertEqual(row["mask_sha256"], b"")
                continue
            bucket, resized, (left, top) = aspect_buckets.fit(*SIZES[source], RESOLUTION, LEAST, GREATEST, 64)
            levels = shrunk(self.masks[source], resized)[top:top + bucket[1], left:left + bucket[0], 0]
            difference = np.abs(row["mask"] - cells_of(levels)).max()
            self.assertLess(difference, 0.5 / 255, source)  # a level that is exactly between two is rounded to either
            worst = max(worst, difference)
            if SIZES[source] == bucket:
                self.assertEqual(difference, 0, source)
        print(f"\nmasks by cells against Pillow and NumPy: at most {worst:.1e}")
        self.assertRegex(self.made.output, r"masks leave out something of 3 of 8 pictures; [\d.]+ % of all cells count")
        self.assertRegex(self.made.output, r"2 of 5 pictures in \S+ have no mask")

    def test_masks_are_the_transparency_where_that_is_asked_for(self):
        images, cache = self.directory / "transparent", self.directory / "transparent-cache"
        images.mkdir()
        alpha = ellipse((128, 128)).resize((128, 128))
        colours = picture((128, 128), 1)
        with_alpha = colours.copy()
        with_alpha.putalpha(alpha)
        with_alpha.save(images / "a.png")
        with_alpha.save(images / "b.webp", lossless=True)
        with_alpha.save(images / "c.tiff")
        with_alpha.save(images / "f.avif", quality=100)
        with_alpha.save(images / "g.jxl", lossless=True)
        with_alpha.save(images / "h.heic", quality=-1)  # lossless, too
        in_16_colours = colours.quantize(16)
        in_16_colours.save(images / "i.gif", transparency=0)
        colours.save(images / "d.jpg")
        grey = colours.convert("L")
        grey.save(images / "e.png", transparency=200)
        result = cache_of(images, cache, "--mask", "alpha", "--training-caption", "x", "--flip")
        self.assertEqual(result.exit_code, 0, result.output)
        rows = rows_of(cache)
        expected = cells_of(np.asarray(alpha).astype(np.float64))
        for source in ("a.png", "b.webp", "c.tiff", "f.avif", "g.jxl", "h.heic"):
            np.testing.assert_array_equal(rows[source]["mask"], expected, source)
        self.assertTrue((rows["d.jpg"]["mask"] == 1).all())
        np.testing.assert_array_equal(rows["i.gif"]["mask"], cells_of(255.0 * (np.asarray(in_16_colours) != 0)))
        np.testing.assert_array_equal(rows["e.png"]["mask"], cells_of(255.0 * (np.asarray(grey) != 200)))
        run, trace = self.directory / "mirrored", self.directory / "mirrored-trace"
        result = programs.run("trainer", *programs.train_options(run, data=cache, max_steps=3, batch_size=10, trace_dir=trace), "--masked-loss")
        self.assertEqual(result.exit_code, 0, result.output)
        mirrored = 0
        for file in sorted(trace.glob("step-*.sample-*.safetensors")):
            with safe_open(file, "pt") as opened:
                source, mask = opened.metadata()["source"], opened.get_tensor("mask")[0].numpy()
            if source.endswith(" (mirrored)"):
                mirrored += 1
                mask = mask[:, ::-1]
            np.testing.assert_array_equal(mask, rows[source.removesuffix(" (mirrored)")]["mask"], source)
        self.assertGreater(mirrored, 10)

    def groups(self):
        of_size = {}
        for sample, row in enumerate(self.rows.values()):
            of_size.setdefault(row["size"], []).extend([sample] * int(row["repeats"]))
        return list(of_size.values())

    def test_order_and_weights_are_those_of_kohyas_rules(self):
        groups, sources, seen = self.groups(), list(self.rows), set()
        for file in sorted((self.reference / "trace").glob("step-*.sample-*.safetensors")):
            step, slot = map(int, re.findall(r"\d+", file.name))
            with safe_open(file, "pt") as opened:
                source, weight = opened.metadata()["source"], opened.get_tensor("loss_weight").item()
                mask = opened.get_tensor("mask")[0].numpy()
            self.assertEqual(source, sources[sample_at(SEED, (step - 1) * BATCH + slot, groups, 1)[0]], (step, slot))
            self.assertEqual(weight, np.float32(PRIOR_WEIGHT if source.startswith("reg:") else 1), source)
            np.testing.assert_array_equal(mask, np.maximum(self.rows[source]["mask"], np.float32(UNMASKED_WEIGHT)))
            seen.add(source)
        self.assertEqual(len(seen), len(self.rows))
        self.assertIn("where masks are white, elsewhere x 0.1, of regularisation pictures x 0.35", self.said)

    def test_of_several_captions_one_is_drawn_each_time(self):
        groups, chosen = self.groups(), set()
        for file in sorted((self.reference / "trace").glob("step-*.sample-*.safetensors")):
            step, slot = map(int, re.findall(r"\d+", file.name))
            with safe_open(file, "pt") as opened:
                source, text = opened.metadata()["source"], opened.metadata()["text"]
            captions = CAPTIONS.get(source, [source.split("/")[0].removeprefix("reg:").split("_", 1)[1]])
            draws = generator(SEED, step - 1, slot, CAPTION)
            caption = captions[torch.randint(len(captions), (1,), generator=draws).item() if len(captions) > 1 else 0]
            epoch = sample_at(SEED, (step - 1) * BATCH + slot, groups, 1)[1] + 1
            self.assertEqual(text, caption_rules.text_of(caption, RULES, draws, epoch, step - 1, STEPS), (step, slot))
            chosen |= {caption} if len(captions) > 1 else set()
        self.assertEqual(chosen, set(CAPTIONS["2_ink/c.png"]))

    def test_replay_in_pytorch(self):
        assert_replays(self, self.reference)

    def test_give_the_same_bytes_on_any_number_of_ranks_and_after_a_stop_on_another(self):
        for ranks in (1, 3, 4):
            self.train(self.directory / f"{ranks}-ranks", ranks=ranks)
            assert_same_adapter(self, self.directory / f"{ranks}-ranks", self.reference)
        run = self.directory / "stopped"
        stop_after_a_step(self, self.command(run, ranks=2), run)
        self.train(run, ranks=3)
        assert_same_adapter(self, run, self.reference)

    def test_other_weights_are_another_run(self):
        run = self.directory / "reweighted"
        self.train(run, max_steps=2, warmup_steps=0)
        result = subprocess.run(self.command(run, prior_loss_weight=1), env=programs.ENVIRONMENT, capture_output=True, text=True)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("prior-loss-weight", result.stdout + result.stderr)

    def test_files_are_the_same_on_any_number_of_ranks_and_whole(self):
        output = self.directory / "by-three"
        result = cache_of(self.images, output, "--reg-images", self.reg, "--mask", "file", "--shard-size", 3, *BUCKETS, ranks=3)
        self.assertEqual(result.exit_code, 0, result.output)
        for file in sorted(self.cache.glob("*.*5")) + [self.cache / "manifest.json"]:
            self.assertEqual(file.read_bytes(), (output / file.name).read_bytes(), file.name)
        self.assertEqual(programs.run("cache_latents", "verify", output).exit_code, 0)

    def test_a_mask_that_changes_is_cached_again_and_nothing_else(self):
        images, cache = self.directory / "edited", self.directory / "edited-cache"
        shutil.copytree(self.images, images)
        options = ("--reg-images", self.reg, "--mask", "file", *BUCKETS)
        self.assertEqual(cache_of(images, cache, *options).exit_code, 0)
        again = cache_of(images, cache, *options)
        self.assertIn("nothing has changed", again.output)
        Image.new("L", SIZES["2_ink/a.png"], 0).save(images / "2_ink/a-masklabel.png")
        edited = cache_of(images, cache, *options)
        self.assertEqual(edited.exit_code, 0, edited.output)
        self.assertRegex(edited.output, r"; 1 pictures encoded, 7 not again")
        self.assertFalse(rows_of(cache)["2_ink/a.png"]["mask"].any())
        self.assertRegex(edited.output, r"nothing at all counts of 1:\s+2_ink/a.png")
        off = cache_of(images, cache, "--reg-images", self.reg, *BUCKETS)
        self.assertEqual(off.exit_code, programs.MISMATCH, off.output)
        self.assertIn("--mask: file, now none", off.output)

    def test_regularisation_pictures_are_never_held_out(self):
        run = self.directory / "validated"
        said = self.train(run, validation_split=0.5, validation_every=5)
        self.assertRegex(said, "5 to train on, 3 held out")  # 2.5 of 5, rounded; 3 of the 8 are regularisation's
        losses = [record["validation_loss"] for record in runs.records_of(run) if "validation_loss" in record]
        self.assertTrue(losses and np.isfinite(losses).all(), losses)

    def test_several_captions_are_drawn_also_where_no_rule_changes_them(self):
        texts = set()
        words = self.command(self.directory / "dry", caption_dropout=0, caption_keep_tokens=0, dry_run="", show_captions=200)
        words = [word for word in words if word not in ("--caption-shuffle", "")]
        done = subprocess.run(words, env=programs.ENVIRONMENT, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        for source, text in re.findall(r'step \d+, (\S+): "(.*)"', done.stdout):
            texts |= {text} if source == "2_ink/c.png" else set()
        self.assertEqual(texts, set(CAPTIONS["2_ink/c.png"]))
        self.assertIn("one of several each time", done.stdout + done.stderr)

    def test_what_does_not_fit_is_said(self):
        plain = self.directory / "plain"
        self.assertEqual(cache_of(self.images, plain, "--folder-repeats", "off", "--training-caption", "x").exit_code, 0)
        for options, code, words in (
                (("--masked-loss",), programs.USAGE, "--masked-loss has no masks"),
                (("--unmasked-weight", 0.5), programs.USAGE, "--unmasked-weight with --masked-loss"),
                (("--prior-loss-weight", 0.5), 0, "--prior-loss-weight does nothing")):
            run = self.directory / f"run{options[0]}"
            result = programs.run("trainer", *programs.train_options(run, data=plain, max_steps=1, warmup_steps=0), *options)
            self.assertEqual(result.exit_code, code, result.output)
            self.assertIn(words, result.output)
        result = programs.train(self.directory / "unmasked", data=self.cache, max_steps=1, warmup_steps=0)
        self.assertIn("the cache has masks, which do not count without --masked-loss", result.output)

    def test_what_cannot_be_cached_is_said(self):
        def refused(code, words, *options, images=self.images):
            result = cache_of(images, self.directory / "refused", *options)
            self.assertEqual(result.exit_code, code, result.output)
            self.assertIn(words, result.output)

        refused(programs.BAD_DATA, "not one picture has a mask", "--mask", "file", images=self.reg)
        refused(programs.USAGE, "lie in one folder", "--reg-images", self.images / "1_pen")
        refused(programs.USAGE, "lie in one folder", "--reg-images", self.images)
        refused(programs.USAGE, "the image folder does not exist", "--reg-images", self.directory / "nowhere")
        bare, empty = self.directory / "bare", self.directory / "empty"
        bare.mkdir()
        empty.mkdir()
        picture((128, 128), 0).save(bare / "a.png")
        refused(programs.BAD_DATA, "or folders named as 1_WORDS", "--reg-images", bare, "--training-caption", "not for these")
        refused(programs.BAD_DATA, "no usable image", "--reg-images", empty)

        images = self.directory / "misshapen"
        shutil.copytree(self.images, images)
        ellipse((300, 300)).save(images / "2_ink/a-masklabel.png")
        (images / "2_ink/b-masklabel.png").write_bytes(b"no picture")
        ellipse((30, 30)).save(images / "2_ink/nobodys-masklabel.png")
        result = cache_of(images, self.directory / "misshapen-cache", "--mask", "file")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertRegex(result.output, r"2_ink/a.png: its mask: of another shape, 300² pixels, than the picture, 300 × 451")
        self.assertRegex(result.output, r"2_ink/b.png: its mask: ")
        self.assertRegex(result.output, r"1 masks in \S+ are no picture's:\s+2_ink/nobodys-masklabel.png")


if __name__ == "__main__":
    unittest.main()
