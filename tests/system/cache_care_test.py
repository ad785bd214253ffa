"""cache_latents takes care of what it finds: files that are not its own stay, a cache that was made differently is not replaced without
--rebuild, good shards are used again when their manifest is lost, what is gone or left out is counted, and a stop is heeded in every stage."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import background
import programs

import h5py
import numpy
from PIL import Image

SIDE = 32
SHIM = programs.BUILD / "tests/fault_shim.so"
LOCK = ".cache_latents.lock"


def write_picture(file, seed=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(seed if seed is not None else zlib.crc32(f"{file.parent.name}/{file.name}".encode()))
    Image.fromarray(random.integers(0, 255, (SIDE, SIDE, 3), dtype=numpy.uint8)).save(file)


def tree(folder):
    """Every entry but the lock: what it is, and what is in it."""
    def content(path):
        return os.readlink(path) if path.is_symlink() else "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    return {str(path.relative_to(folder)): content(path) for path in sorted(folder.rglob("*")) if path.name != LOCK}


class ACache(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.pictures, self.output = self.folder / "pictures", self.folder / "cache"

    def add_pictures(self, count, folder=None, first=0):
        folder = folder or self.pictures
        for number in range(first, first + count):
            write_picture(folder / f"{number:03}.png")
            (folder / f"{number:03}.txt").write_text(f"picture {number}")

    def words(self, *options, pictures=None, output=None, model=None):
        return ["--model", model or programs.TINY_MODEL, "--images", pictures or self.pictures, "--output", output or self.output,
                "--img-size", SIDE, "--shard-size", 4, "--device", "cpu", "--metrics-port", 0, *options]

    def cache(self, *options, code=0, ranks=None, **places):
        result = programs.run("cache_latents", *self.words(*options, **places), ranks=ranks)
        self.assertEqual(result.exit_code, code, result.output)
        return result.output

    def assert_says(self, output, *words):
        for word in words:
            self.assertIn(word, output)

    def assert_good_and_as_fresh(self):
        fresh = self.folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        self.cache(output=fresh)
        self.assertEqual(tree(self.output), tree(fresh))


class SomebodysFiles(ACache):
    def setUp(self):
        super().setUp()
        self.add_pictures(2)
        self.output.mkdir()

    def write_hdf5(self, file):
        with h5py.File(file, "w") as written:
            written["x"] = 1

    def assert_refused_untouched(self, *words):
        before = tree(self.folder)
        output = self.cache("--rebuild", code=programs.USAGE)
        self.assert_says(output, "did not make", "choose another --output", *words)
        self.assertEqual(tree(self.folder), before)
        self.assertFalse((self.output / LOCK).exists(), "refused before anything is written")

    def test_of_other_names_stay(self):
        for name in ("shard-mine-train.h5", "shard-1.h5", "shard-00000.hdf5", "xshard-00000.h5", "text.h5.bak", "other.h5"):
            self.write_hdf5(self.output / name)
        for name in ("notes.txt", ".shard-00000.h5.tmp-mine", ".mine.tmp-12", "shard-00000.h5.previous.mine"):
            (self.output / name).write_text(name)
        before = tree(self.output)
        self.cache()
        self.assertEqual({name: tree(self.output)[name] for name in before}, before)
        self.add_pictures(9)
        self.cache()
        self.assertEqual({name: tree(self.output)[name] for name in before}, before)

    def test_with_the_names_of_ours_are_in_the_way(self):
        for name in ("shard-00000.h5", "shard-00007.h5", "text.h5", "text.h5.previous", "shard-00003.h5.partial"):
            with self.subTest(name):
                self.write_hdf5(self.output / name)
                self.assert_refused_untouched(name, "not a file of a cache")
                (self.output / name).write_bytes(b"no HDF5 at all")
                self.assert_refused_untouched(name)
                (self.output / name).unlink()
        self.cache()

    def test_of_json_are_in_the_way(self):
        for name in ("manifest.json", "unfinished.json", "metrics_targets.json"):
            for text in ('{"name": "a web page"}', "[1, 2]", "words", ""):
                with self.subTest(name=name, text=text):
                    (self.output / name).write_text(text)
                    self.assert_refused_untouched(name)
            (self.output / name).unlink()
        self.cache()

    def test_all_in_the_way_are_named_at_once(self):
        self.write_hdf5(self.output / "shard-00000.h5")
        self.write_hdf5(self.output / "text.h5")
        self.assert_refused_untouched("shard-00000.h5", "text.h5")

    def test_that_are_links_or_folders_or_pipes_are_in_the_way(self):
        self.write_hdf5(self.folder / "elsewhere.h5")
        for name in ("shard-00000.h5", "text.h5", "manifest.json", LOCK):
            with self.subTest(name):
                (self.output / name).symlink_to("../elsewhere.h5")
                before = tree(self.folder)
                self.assert_says(self.cache(code=programs.USAGE), name, "a link")
                self.assertEqual(tree(self.folder), before)
                (self.output / name).unlink()
                (self.output / name).mkdir()
                self.assert_says(self.cache(code=programs.USAGE), name, "a folder")
                (self.output / name).rmdir()
                os.mkfifo(self.output / name)
                self.assert_says(self.cache(code=programs.USAGE), name, "not a plain file")
                (self.output / name).unlink()

    def test_a_shard_of_ours_behind_a_link_is_not_replaced(self):
        self.cache()
        (self.output / "shard-00000.h5").rename(self.folder / "moved.h5")
        (self.output / "shard-00000.h5").symlink_to("../moved.h5")
        write_picture(self.pictures / "000.png", seed=7)
        self.assert_refused_untouched_but_for_the_lock("shard-00000.h5", "a link")

    def assert_refused_untouched_but_for_the_lock(self, *words):
        before = tree(self.folder)
        self.assert_says(self.cache(code=programs.USAGE), *words)
        self.assertEqual(tree(self.folder), before)

    def test_beside_a_cache_of_ours_are_in_the_way_too(self):
        self.cache()
        self.write_hdf5(self.output / "shard-00001.h5")
        self.assert_refused_untouched_but_for_the_lock("shard-00001.h5")
        (self.output / "shard-00001.h5").unlink()
        (self.output / "manifest.json").write_text('{"name": "a web page"}')
        self.assert_refused_untouched_but_for_the_lock("manifest.json")

    def test_in_the_lock_file_are_not_overwritten(self):
        (self.output / LOCK).write_text("my notes")
        self.assert_says(self.cache(code=programs.USAGE), LOCK)
        self.assertEqual((self.output / LOCK).read_text(), "my notes")

    def test_an_output_behind_a_link_is_a_directory_like_any_other(self):
        link = self.folder / "link"
        link.symlink_to("cache")
        self.cache(output=link)
        self.assertTrue(link.is_symlink())
        self.assertTrue((self.output / "manifest.json").exists())


class AnotherCache(ACache):
    def setUp(self):
        super().setUp()
        self.add_pictures(6)
        self.cache()

    def assert_refused(self, *options, words=(), **places):
        before = tree(self.output)
        output = self.cache(*options, code=programs.MISMATCH, **places)
        self.assert_says(output, "holds another", "--rebuild", "another --output", *words)
        self.assertEqual(tree(self.output), before)

    def changed_model(self, part, file):
        model = self.folder / f"other-{part}"
        shutil.copytree(programs.TINY_MODEL, model)
        data = bytearray((model / part / file).read_bytes())
        data[-2] ^= 0x10
        (model / part / file).write_bytes(data)
        return model

    def test_of_other_settings_is_not_replaced(self):
        for options, words in ((("--img-size", 64), ["--img-size: 32², now 64²"]), (("--flip",), ["--flip: off, now on"]),
                               (("--shard-size", 5), ["--shard-size: 4, now 5"])):
            with self.subTest(options):
                self.assert_refused(*options, words=words)
                self.assert_refused(*options, words=words, )
        self.cache("--flip", "--rebuild")
        self.assert_refused(words=["--flip: on, now off"])

    def test_of_another_model_is_not_replaced(self):
        for part, name in (("vae", "diffusion_pytorch_model.safetensors"), ("text_encoder", "model.safetensors")):
            with self.subTest(part):
                model = self.changed_model(part, name)
                self.assert_refused(model=model, words=[{"vae": "VAE", "text_encoder": "text encoder"}[part]])
                self.assertIn("pictures encoded", self.cache("--rebuild", model=model))
                self.assertIn("pictures encoded", self.cache("--rebuild"))

    def test_of_other_pictures_is_not_replaced(self):
        others = self.folder / "others"
        self.add_pictures(3, others, first=50)
        self.assert_refused(pictures=others, words=["none of the 6"])
        self.cache("--rebuild", pictures=others)
        self.assert_refused(words=["none of the 3"])

    def test_of_pictures_of_which_almost_none_is_left_is_not_replaced(self):
        self.add_pictures(36, first=6)
        self.cache()
        others = self.folder / "others"
        self.add_pictures(30, others, first=100)
        shutil.copy(self.pictures / "000.png", others / "logo.png")
        (others / "logo.txt").write_text("a logo")
        self.assert_refused(pictures=others, words=["only 1 of the 42"])

    def test_of_the_same_names_with_other_captions_is_not_replaced(self):
        others = self.folder / "others"
        for number in range(6):
            write_picture(others / f"{number:03}.png", seed=900 + number)
            (others / f"{number:03}.txt").write_text("something else")
        self.assert_refused(pictures=others)

    def test_that_is_unfinished_is_not_replaced_either(self):
        shutil.rmtree(self.output)
        result = subprocess.run(["prlimit", "--fsize=300000", *programs.command("cache_latents", *self.words())],
                                env=programs.ENVIRONMENT, capture_output=True, text=True,
                                preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
        if result.returncode == 0:
            (self.output / "manifest.json").unlink()
        self.assert_refused("--flip")
        self.cache()

    def test_without_a_manifest_is_known_by_its_shards(self):
        (self.output / "manifest.json").unlink()
        self.assert_refused("--flip", words=["--flip: off, now on"])
        self.assert_refused("--img-size", 64)
        self.cache()

    def test_is_replaced_with_rebuild_and_a_killed_rebuild_goes_on_without(self):
        self.cache("--flip", "--rebuild")
        self.assertIn("nothing has changed", self.cache("--flip"))
        self.assertIn("6 pictures encoded", self.cache("--rebuild"))
        self.assert_good_and_as_fresh()
        self.kill_when_it_begins("--flip", "--rebuild")
        self.cache("--flip")
        self.kill_when_it_begins("--rebuild")
        self.assertEqual(self.cache("--rebuild").count("\n  do:"), 0)
        self.assert_good_and_as_fresh()

    def kill_when_it_begins(self, *options):
        process = background.Program(self, programs.command("cache_latents", *self.words(*options)))
        process.wait_for((self.output / "unfinished.json").exists, "a journal")
        process.send(signal.SIGKILL)
        process.process.wait()

    def test_is_what_rebuild_never_makes_of_somebodys_files(self):
        (self.output / "shard-00001.h5").write_bytes(b"x")
        (self.output / "manifest.json").unlink()
        self.assert_says(self.cache("--rebuild", code=programs.USAGE), "shard-00001.h5")

    def test_is_not_what_comes_of_everyday_changes(self):
        self.add_pictures(2, first=6)
        self.assertIn("2 pictures encoded", self.cache())
        (self.pictures / "000.png").unlink()
        (self.pictures / "001.png").rename(self.pictures / "renamed.png")
        (self.pictures / "001.txt").rename(self.pictures / "renamed.txt")
        self.assertIn("0 pictures encoded", self.cache())
        for picture in self.pictures.glob("*.png"):
            write_picture(picture, seed=len(picture.name))
        self.cache()  # all of them edited
        for caption in self.pictures.glob("*.txt"):
            caption.write_text("other words for " + caption.stem)
        self.assertIn("0 pictures encoded", self.cache())
        for picture in sorted(self.pictures.glob("*.png"))[1:]:
            picture.unlink()
        self.cache()
        self.assert_good_and_as_fresh()


if __name__ == "__main__":
    unittest.main(verbosity=2)
