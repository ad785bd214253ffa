"""cache_latents takes care of what it finds: files that are not its own stay, a cache that was made differently is not replaced without
--rebuild, good shards are used again when their manifest is lost, what is gone or left out is counted, and a stop is heeded in every stage."""
import errno
import hashlib
import json
import os
import pathlib
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
SCAN = ".cache_latents.scan"


def write_picture(file, seed=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(seed if seed is not None else zlib.crc32(f"{file.parent.name}/{file.name}".encode()))
    Image.fromarray(random.integers(0, 255, (SIDE, SIDE, 3), dtype=numpy.uint8)).save(file)


def tree(folder):
    """Every entry but the lock and what the scan saw: what it is, and what is in it."""
    def content(path):
        return os.readlink(path) if path.is_symlink() else "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    return {str(path.relative_to(folder)): content(path) for path in sorted(folder.rglob("*")) if path.name not in (LOCK, SCAN)}


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
        names = ("shard-00000.h5", "shard-00007.h5", "text.h5", "text.h5.previous", "shard-00003.h5.partial")
        for write in (self.write_hdf5, lambda file: file.write_bytes(b"no HDF5 at all"), pathlib.Path.touch):
            for name in names:
                write(self.output / name)
            self.assert_refused_untouched(*(f"{name}: not a file of a cache" for name in names))
        for name in names[1:]:
            (self.output / name).unlink()
        self.assert_refused_untouched(names[0])
        (self.output / names[0]).unlink()
        self.cache()

    def test_of_json_are_in_the_way(self):
        names = ("manifest.json", "unfinished.json", "metrics_targets.json")
        for text in ('{"name": "a web page"}', "[1, 2]", "words", ""):
            with self.subTest(text):
                for name in names:
                    (self.output / name).write_text(text)
                self.assert_refused_untouched(*names)
        for name in names:
            (self.output / name).unlink()
        self.cache()

    def test_of_a_training_that_runs_there_are_in_the_way(self):
        targets = [{"targets": ["127.0.0.1:9400"], "labels": {"job": "sdlora", "run": "cache", "rank": "0"}}]
        (self.output / "metrics_targets.json").write_text(json.dumps(targets))
        (self.output / "trainer.lock").write_text("trainer, process 1 on a, since then")
        self.assert_refused_untouched("metrics_targets.json")

    def test_all_in_the_way_are_named_at_once(self):
        self.write_hdf5(self.output / "shard-00000.h5")
        self.write_hdf5(self.output / "text.h5")
        self.assert_refused_untouched("shard-00000.h5", "text.h5")

    def test_that_are_links_or_folders_or_pipes_are_in_the_way(self):
        self.write_hdf5(self.folder / "elsewhere.h5")
        names = ("shard-00000.h5", "text.h5", "manifest.json", LOCK)
        for make, remove, words in ((lambda file: file.symlink_to("../elsewhere.h5"), pathlib.Path.unlink, "a link"),
                                    (lambda file: file.symlink_to("nowhere"), pathlib.Path.unlink, "a link"),
                                    (pathlib.Path.mkdir, pathlib.Path.rmdir, "a folder"),
                                    (os.mkfifo, pathlib.Path.unlink, "not a plain file")):
            with self.subTest(words):
                for name in names:
                    make(self.output / name)
                entries = self.entries()
                self.assert_says(self.cache(code=programs.USAGE), *(f"{name}: {words}" for name in names))
                self.assertEqual(self.entries(), entries)
                for name in names:
                    remove(self.output / name)

    def entries(self):
        return {file.name: (file.lstat().st_ino, file.lstat().st_mode) for file in self.output.iterdir()}

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


class ALostManifest(ACache):
    """The shards say themselves what they are made from."""

    def setUp(self):
        super().setUp()
        self.add_pictures(10)
        self.cache()
        self.good = tree(self.output)
        self.manifest = self.output / "manifest.json"

    def assert_shards_are_used_again(self, *words):
        output = self.cache()
        self.assert_says(output, "10 pictures taken from 3 shards by their own hashes", *words)
        self.assertIn("0 pictures encoded, 10 not again", output.replace("10 pictures in", "0 pictures encoded, 10 not again"))
        self.assertEqual(tree(self.output), self.good)
        self.assertIn("nothing has changed", self.cache())

    def test_that_is_gone_costs_no_shard(self):
        self.manifest.unlink()
        self.assert_shards_are_used_again("there is no manifest.json")

    def test_that_is_cut_or_rubbish_costs_no_shard(self):
        text = self.manifest.read_text()
        for broken in (text[:300], "", "rubbish", "\0" * 500, text.replace('"format_version": 1', '"format_version": "one"')):
            with self.subTest(broken[:20]):
                self.manifest.write_text(broken)
                self.assert_shards_are_used_again("manifest.json cannot be read (the manifest is damaged)")

    def test_with_its_text_file_costs_the_text_alone(self):
        self.manifest.unlink()
        (self.output / "text.h5").unlink()
        self.assert_shards_are_used_again()

    def test_with_the_journal_of_a_killed_update_costs_no_shard(self):
        self.manifest.unlink()
        (self.output / "shard-00001.h5").rename(self.output / "shard-00001.h5.previous")
        (self.output / "unfinished.json").write_text("{")
        self.assert_shards_are_used_again()

    def test_does_not_make_damaged_shards_good(self):
        self.manifest.unlink()
        shard = self.output / "shard-00000.h5"
        with h5py.File(shard) as file:
            place = file["latent_mean"].id.get_chunk_info(2).byte_offset
        data = bytearray(shard.read_bytes())
        data[place + 9] ^= 1
        shard.write_bytes(data)
        output = self.cache()
        self.assert_says(output, "6 pictures taken from 2 shards", "shard-00000.h5 is damaged", "4 pictures encoded, 6 not again")
        self.assertEqual(tree(self.output), self.good)

    def test_of_a_newer_program_is_refused_without_rebuild(self):
        newer = self.manifest.read_text().replace('"format_version": 1', '"format_version": 99')
        self.manifest.write_text(newer)
        before = tree(self.output)
        self.assert_says(self.cache(code=programs.MISMATCH), "newer program", "format version 99", "--rebuild")
        self.assertEqual(tree(self.output), before)
        self.assert_says(self.cache("--rebuild"), "10 pictures taken from 3 shards by their own hashes")
        self.assertEqual(tree(self.output), self.good)

    def test_with_shards_of_a_newer_program_is_refused_without_rebuild(self):
        self.manifest.unlink()
        with h5py.File(self.output / "shard-00002.h5", "r+") as file:
            file.attrs.modify("format_version", numpy.int64(7))
        before = tree(self.output)
        self.assert_says(self.cache(code=programs.MISMATCH), "newer program", "--rebuild")
        self.assertEqual(tree(self.output), before)
        self.assertIn("2 pictures encoded, 8 not again", self.cache("--rebuild"))
        self.assertEqual(tree(self.output), self.good)

    def test_that_cannot_be_read_for_the_moment_costs_nothing(self):
        trigger = self.folder / "trigger"
        trigger.touch()
        for name in ("manifest.json", "shard-00001.h5"):
            with self.subTest(name):
                environment = {"FAULT_PATH": str(self.output / name), "FAULT_WHILE": str(trigger), "FAULT_READ": "116",
                               "LD_PRELOAD": str(SHIM)}
                program = background.Program(self, programs.command("cache_latents", *self.words()), environment)
                program.finish(programs.IO, programs.BAD_DATA)
                self.assertEqual(tree(self.output), self.good)


class WhatIsLeftOut(ACache):
    def setUp(self):
        super().setUp()
        self.add_pictures(6)

    def assert_counted(self, *words, named=()):
        """In a warning with names while it works, in the summary at the end, and refused by --strict before anything is changed."""
        before = tree(self.output) if self.output.exists() else {}
        strict = self.cache("--strict", code=programs.BAD_DATA)
        self.assert_says(strict, "--strict", *words, *named)
        self.assertEqual(tree(self.output), before)
        output = self.cache()
        self.assert_says(output, *words, *named)
        self.assert_says(output[output.index("left out: "):], *words)
        return output

    def test_pictures_that_are_gone_are_counted_and_named(self):
        self.cache()
        for number in (1, 4):
            (self.pictures / f"{number:03}.png").unlink()
        self.assert_counted("2 pictures of the last run are gone", named=("001.png", "004.png"))
        self.assertNotIn("left out", self.cache("--strict"))

    def test_pictures_behind_a_link_that_is_cut_are_gone(self):
        elsewhere = self.folder / "elsewhere"
        self.add_pictures(3, elsewhere, first=20)
        (self.pictures / "more").symlink_to("../elsewhere")
        self.cache()
        elsewhere.rename(self.folder / "moved")
        self.assert_counted("3 pictures of the last run are gone", "skipped", named=("more/020.png", "more: a broken link"))

    def test_a_folder_that_is_not_mounted_is_a_loss_of_its_pictures(self):
        self.add_pictures(3, self.pictures / "disk", first=20)
        self.cache()
        (self.pictures / "disk").rename(self.folder / "unmounted")
        (self.pictures / "disk").mkdir()
        self.assert_counted("3 pictures of the last run are gone", named=("disk/020.png",))
        (self.pictures / "disk").rmdir()
        (self.folder / "unmounted").rename(self.pictures / "disk")
        self.assertNotIn("left out", self.cache())

    def test_renamed_pictures_are_not_gone(self):
        self.cache()
        (self.pictures / "001.png").rename(self.pictures / "new.png")
        (self.pictures / "001.txt").rename(self.pictures / "new.txt")
        self.assertNotIn("left out", self.cache("--strict"))

    def test_a_second_copy_that_goes_is_gone(self):
        shutil.copy(self.pictures / "001.png", self.pictures / "copy.png")
        (self.pictures / "copy.txt").write_text("a copy")
        self.cache()
        (self.pictures / "copy.png").unlink()
        self.assert_counted("1 picture of the last run is gone", named=("copy.png",))

    def test_lines_of_metadata_without_a_picture_are_counted_and_named(self):
        write_picture(self.pictures / "listed.png")
        lines = [{"file_name": name, "text": "x"} for name in ("listed.png", "lost.png", "sub/gone.png")]
        (self.pictures / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.assert_counted("2 lines of caption lists have no picture", named=("lost.png", "sub/gone.png"))

    def test_a_list_whose_pictures_are_all_gone_is_looked_at_too(self):
        (self.pictures / "set").mkdir()
        (self.pictures / "set/metadata.jsonl").write_text('{"file_name": "a.png", "text": "x"}\n')
        self.assert_counted("1 line of a caption list has no picture", named=("set/metadata.jsonl: a.png",))

    def test_empty_captions_are_counted_and_named(self):
        self.cache()
        (self.pictures / "002.txt").write_text("")
        (self.pictures / "003.txt").write_bytes(b"\xef\xbb\xbf \n")
        self.assert_counted("2 captions are empty (2 had words in the last run)", named=("002.png", "003.png"))

    def test_an_empty_caption_that_was_asked_for_is_none_of_them(self):
        for caption in self.pictures.glob("*.txt"):
            caption.unlink()
        self.assertNotIn("left out", self.cache("--strict", "--training-caption", ""))

    def test_a_caption_behind_a_cut_link_is_not_replaced_by_the_common_one(self):
        (self.pictures / "002.txt").unlink()
        (self.pictures / "002.txt").symlink_to("nowhere")
        self.assert_says(self.cache("--training-caption", "x", code=programs.BAD_DATA), "002.png: its .txt is a broken link")

    def test_skipped_files_are_counted(self):
        (self.pictures / "broken.png").write_bytes(b"nothing")
        self.assert_counted("skipped", named=("broken.png",))
        info = programs.run("cache_latents", "info", self.output)
        self.assertIn("broken.png", info.output)

    def test_a_picture_that_does_not_decode_ends_a_strict_run_with_a_cache_that_is_complete_but_for_it(self):
        data = bytearray((self.pictures / "003.png").read_bytes())
        data[len(data) // 2] ^= 0xFF
        (self.pictures / "003.png").write_bytes(data)
        self.assert_says(self.cache("--strict", code=programs.BAD_DATA), "--strict", "003.png: damaged")
        self.assertIn("5 pictures", programs.run("cache_latents", "verify", self.output).output)


class APictureThatGoes(ACache):
    """Between the first look at it and its turn to be encoded."""

    def start(self, ranks=None, faults=None, options=("--cpu-threads", 1)):
        self.trigger = self.folder / "trigger"
        environment = {"FAULT_WHILE": str(self.trigger), "LD_PRELOAD": str(SHIM), **faults} if faults else {}
        return background.Program(self, programs.command("cache_latents", *self.words(*options), ranks=ranks), environment)

    def test_behind_a_stale_handle_is_skipped_and_taken_by_the_next_run(self):
        self.add_pictures(200)
        program = self.start(faults={"FAULT_PATH": "195.png", "FAULT_READ": "116"})
        program.wait_for((self.output / "unfinished.json").exists, "the end of the first look")
        self.trigger.touch()
        output, _ = program.finish(0)
        self.assert_says(output, "199 pictures", "195.png: cannot be read: Stale file handle", "left out: 1 files are skipped")
        self.trigger.unlink()
        self.assert_says(self.cache(), "1 pictures encoded, 199 not again")
        self.assert_good_and_as_fresh()

    def test_with_all_others_ends_the_run_and_keeps_what_is_encoded(self):
        self.add_pictures(200)
        program = self.start()
        program.wait_for((self.output / "shard-00001.h5").exists, "two shards")
        self.pictures.rename(self.folder / "unmounted")
        output, _ = program.finish(programs.IO)
        self.assert_says(output, "in a row cannot be read any more", "what is encoded is kept")
        (self.folder / "unmounted").rename(self.pictures)
        self.assertRegex(self.cache(), r"\b1\d\d pictures encoded, ")
        self.assert_good_and_as_fresh()


class TwoHosts(ACache):
    """Played by two working directories."""

    def cache_on_both(self, code, output=None, shard_size=256):
        words = [str(word) for word in ["--model", programs.TINY_MODEL.resolve(), "--images", "pictures", "--output",
                                        output or self.output, "--img-size", SIDE, "--shard-size", shard_size, "--device", "cpu", "--metrics-port", 0]]
        program = [str(programs.BUILD / "bin/cache_latents"), *words]
        one, other = (["-np", "1", "-wdir", str(self.folder / host), *program] for host in ("one", "other"))
        process = background.Program(self, [*programs.MPIRUN, *one, ":", *other])
        output, _ = process.finish(code)
        self.assertNotIn("0000000000", output)
        return output

    def setUp(self):
        super().setUp()
        for host in ("one", "other"):
            (self.folder / host).mkdir()
        self.add_pictures(6, self.folder / "one/pictures")

    def test_of_which_one_has_no_pictures_are_told_which_rank_does_not_see_which(self):
        for make in (lambda: None, (self.folder / "other/pictures").mkdir):
            make()
            output = self.cache_on_both(programs.MISMATCH)
            self.assert_says(output, "do not see the same pictures", "001.png: not by rank 1 on host", "but by rank 0 on host",
                             "file system that all hosts share")

    def test_of_which_one_has_some_of_the_pictures_are_told(self):
        shutil.copytree(self.folder / "one/pictures", self.folder / "other/pictures")
        (self.folder / "other/pictures/003.png").unlink()
        self.assert_says(self.cache_on_both(programs.MISMATCH), "003.png: not by rank 1 on host")

    def test_of_which_one_must_encode_what_only_the_other_sees_keep_what_is_encoded(self):
        shutil.copytree(self.folder / "one/pictures", self.folder / "other/pictures")
        (self.folder / "other/pictures/004.png").unlink()  # looked at by rank 0; in shards of 3, encoded by rank 1
        output = self.cache_on_both(programs.MISMATCH, shard_size=3)
        self.assert_says(output, "004.png: not by rank 1 on host")
        self.assertEqual({name for name in tree(self.output) if name.endswith(("h5", "partial"))},
                         {"shard-00000.h5", "shard-00001.h5.partial"})
        shutil.copy(self.folder / "one/pictures/004.png", self.folder / "other/pictures/004.png")
        self.assertIn("1 pictures encoded, 5 not again", self.cache_on_both(0, shard_size=3))

    def test_of_which_the_second_has_more_pictures_are_told(self):
        shutil.copytree(self.folder / "one/pictures", self.folder / "other/pictures")
        self.add_pictures(1, self.folder / "other/pictures", first=30)
        self.assert_says(self.cache_on_both(programs.MISMATCH), "030.png: by rank 1 on host", "not by rank 0")

    def test_lose_nothing_of_an_old_cache(self):
        shutil.copytree(self.folder / "one/pictures", self.folder / "other/pictures")
        self.cache_on_both(0)
        before = tree(self.output)
        shutil.rmtree(self.folder / "other/pictures")
        self.cache_on_both(programs.MISMATCH)
        self.assertEqual(tree(self.output), before)

    def test_that_do_not_share_the_output_can_update_it(self):
        shutil.copytree(self.folder / "one/pictures", self.folder / "other/pictures")
        self.cache_on_both(0, output="cache")
        for host in ("one", "other"):
            write_picture(self.folder / host / "pictures/0000.png", seed=1)
            (self.folder / host / "pictures/0000.txt").write_text("new")
        self.assert_says(self.cache_on_both(0, output="cache"), "7 pictures", "is not seen from")


class WhatTheLastScanSaw(ACache):
    def setUp(self):
        super().setUp()
        self.add_pictures(6)
        time.sleep(2.5)  # what is younger may change again without showing, and is not remembered
        self.cache()

    def run_where_no_picture_can_be_read(self):
        environment = {"LD_PRELOAD": str(SHIM), "FAULT_PATH": ".png", "FAULT_WHILE": str(self.folder), "FAULT_READ": str(errno.EIO)}
        done = subprocess.run(programs.command("cache_latents", *self.words()), env={**programs.ENVIRONMENT, **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def test_is_not_read_again_but_what_has_changed_is(self):
        code, output = self.run_where_no_picture_can_be_read()
        self.assertEqual(code, 0, output)
        self.assert_says(output, "6 pictures", "nothing was done")
        write_picture(self.pictures / "003.png", seed=9)
        code, output = self.run_where_no_picture_can_be_read()
        self.assertEqual(code, 0, output)
        self.assert_says(output, "003.png: cannot be read", "5 pictures")
        self.cache()
        self.assert_good_and_as_fresh()

    def test_costs_one_run_where_it_is_wrong(self):
        scan = json.loads((self.output / SCAN).read_text())
        for look in scan["looks"].values():
            look[1] = "0" * 64
        text = json.dumps(scan["looks"], separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        scan["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        (self.output / SCAN).write_text(json.dumps(scan))
        self.assert_says(self.cache("--rebuild", code=programs.BAD_DATA), "changed while it was being cached", "0" * 64)
        self.cache()
        self.assert_good_and_as_fresh()

    def test_names_no_folder_of_the_user(self):
        self.assertNotIn(str(self.folder), (self.output / SCAN).read_text())

    def test_of_somebody_else_is_in_the_way(self):
        (self.output / SCAN).write_text('{"mine": 1}')
        self.assert_says(self.cache(code=programs.USAGE), SCAN, "nothing was changed")


class AStop(ACache):
    def start(self, *options, ranks=None, faults=None):
        environment = {"LD_PRELOAD": str(SHIM), "FAULT_WHILE": str(self.folder), **faults} if faults else {}
        return background.Program(self, programs.command("cache_latents", *self.words("--cpu-threads", 1, *options), ranks=ranks),
                                  environment)

    def many_captions(self, count):
        self.add_pictures(count)
        for number in range(count):
            (self.pictures / f"{number:03}.txt").write_text(f"picture {number}, " + " ".join(f"word{number * 7 + i}" for i in range(30)))

    def stop_in_the_text_stage(self, ranks):
        """A fast machine may be through before the signal comes; cache_latents_test has the stage under its thumb."""
        before = self.journal_stamp()
        program = self.start(ranks=ranks)
        program.wait_for(lambda: self.journal_stamp() != before, "the beginning of the work")
        time.sleep(0.1)
        program.send(signal.SIGUSR1)
        _, seconds = program.finish(programs.STOPPED, 0)
        self.assertLess(seconds, 5)
        partial = self.output / "text.h5.partial"
        print(f"left with {program.process.returncode} after {seconds:.1f} s, {partial.stat().st_size if partial.exists() else 0} bytes kept")

    def journal_stamp(self):
        journal = self.output / "unfinished.json"
        return journal.stat().st_ino if journal.exists() else None

    def test_while_the_pictures_are_looked_at_is_heeded_at_once(self):
        self.add_pictures(150)
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                (self.output / LOCK).unlink(missing_ok=True)
                program = self.start(ranks=ranks, faults={"FAULT_PATH": ".png", "FAULT_READ_MILLISECONDS": "100"})
                program.wait_for((self.output / LOCK).exists, "the lock, which comes before the first look")
                time.sleep(1)
                program.send(signal.SIGUSR1)
                output, seconds = program.finish(programs.STOPPED)
                self.assert_says(output, "stopped by a signal")
                self.assertLess(seconds, 4)
                self.assertFalse((self.output / "unfinished.json").exists(), "it was still looking")

    def test_while_captions_are_encoded_is_heeded_and_keeps_them(self):
        self.many_captions(400)
        self.cache()
        good = tree(self.output)
        (self.output / "text.h5").unlink()
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                (self.output / "text.h5").unlink(missing_ok=True)
                self.stop_in_the_text_stage(ranks)
        self.cache()
        self.assertEqual(tree(self.output), good)


if __name__ == "__main__":
    unittest.main(verbosity=2)
