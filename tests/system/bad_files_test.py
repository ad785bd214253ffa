"""Files that are damaged or made to do harm: data is refused with its name before anything is trained, a checkpoint is skipped for the
next older one or refused, and no file makes the trainer crash or take much memory."""
import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import edited_cache
import programs
import runs

STEPS = 8
MEBIBYTE = 1 << 20
MOST_EXTRA_MEBIBYTES = 200


class AShard(unittest.TestCase):
    def refused(self, data, *words):
        result = programs.train(data.parent / "run", data=data, ranks=2)
        self.assertEqual(result.exit_code, programs.BAD_DATA, result.output)
        for word in ("shard-00000.h5", *words):
            self.assertIn(word, result.output)
        self.assertEqual(result.output.count("  do:  "), 1, "one message, with advice:\n" + result.output)

    def test_that_is_damaged_in_any_way_is_refused_with_its_name_before_anything_is_trained(self):
        def without_a_column(shard):
            del shard["caption_index"]

        def of_another_type(shard):
            values = shard["caption_index"][:]
            del shard["caption_index"]
            shard.create_dataset("caption_index", data=values.astype("f4"), chunks=values.shape, fletcher32=True)

        def with_nan(shard):
            latents = shard["latent_mean"][5]
            latents[0, 0, 0] = numpy.nan
            shard["latent_mean"][5] = latents

        def with_an_unknown_caption(shard):
            shard["caption_index"][0] = 10 ** 6

        def with_a_link_elsewhere(shard):
            shard["more"] = h5py.ExternalLink("/etc/passwd", "/")

        edits = (without_a_column, of_another_type, with_nan, with_an_unknown_caption, with_a_link_elsewhere)
        cuts = {"empty": 0, "of seven bytes": 7, "cut in half": None}
        for name in [*(edit.__name__ for edit in edits), *cuts, "missing", "a folder"]:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                data = pathlib.Path(folder) / "data"
                edit = next((edit for edit in edits if edit.__name__ == name), None)
                edited_cache.copy_of_cache(data, edit)
                shard = data / "shard-00000.h5"
                if name in cuts:
                    size = cuts[name] if cuts[name] is not None else shard.stat().st_size // 2
                    os.truncate(shard, size)
                elif edit is None:
                    shard.unlink()
                    if name == "a folder":
                        shard.mkdir()
                self.refused(data)
                self.assertFalse((data.parent / "run/metrics.jsonl").exists())


def header(entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


class ACheckpoint(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-bad-files-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.reference = cls.directory / "reference"
        result = programs.train(cls.reference, max_steps=STEPS, checkpoint_every=4)
        assert result.exit_code == 0, result.output
        cls.usual_bytes = cls.dry_run(cls.reference)[2]

    @staticmethod
    def dry_run(run):
        """Exit code (negative: died of a signal), output, and the peak of its memory."""
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(programs.command("trainer", *programs.train_options(run, max_steps=STEPS), "--dry-run"), stdout=output,
                                       stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            return process.returncode, output.read(), usage.ru_maxrss * 1024

    def attacked(self, name, change):
        """A run whose newest checkpoint was changed and sealed again by somebody who knows the format."""
        run = self.directory / name.replace(" ", "-")
        shutil.copytree(self.reference, run)
        checkpoint = run / f"checkpoint-step-{STEPS}"
        change(checkpoint)
        manifest = json.loads((checkpoint / "MANIFEST.json").read_text())
        for file, record in manifest["files"].items():
            content = (checkpoint / file).read_bytes()
            record.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        (checkpoint / "MANIFEST.json").write_text(json.dumps(manifest))
        return run

    @staticmethod
    def state(**changes):
        def change(checkpoint):
            state = json.loads((checkpoint / "state.json").read_text())
            (checkpoint / "state.json").write_text(json.dumps({**state, **changes}))
        return change

    @staticmethod
    def content(file, content):
        return lambda checkpoint: (checkpoint / file).write_bytes(content)

    def test_by_an_attacker_is_skipped_or_refused_without_a_crash_or_much_memory(self):
        tensor = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}
        skipped = {
            "a header of 2 to the 63 bytes": self.content("adapter.safetensors", struct.pack("<Q", 1 << 63)),
            "a tensor of four terabytes": self.content("adapter.safetensors", header({"x": tensor})),
            "a shape that overflows": self.content("optimizer.safetensors", header({"x": {**tensor, "shape": [4194305, 4194305, 211106198978564],
                                                                                         "data_offsets": [0, 16]}}) + bytes(16)),
            "deep nesting": self.content("optimizer.safetensors", struct.pack("<Q", 200_000) + b"[" * 200_000),
        }
        refused = {
            "a state nested deeply": self.content("state.json", b"[" * 200_000),
            "a state of another step": self.state(step=10 ** 15),
            "a negative step": self.state(step=-1),
            "no micro batch": self.state(micro_batch_size=0),
            "a negative count": self.state(consecutive_nonfinite=-(10 ** 9)),
            "a loss scale of zero": self.state(loss_scale=0),
            "settings that are no text": self.state(settings={"seed": [1, 2]}),
            "tensors of another adapter": self.content("adapter.safetensors", header({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}) + bytes(4)),
        }
        most = 0
        for expected, attacks in ((0, skipped), (programs.BAD_DATA, refused)):
            for name, change in attacks.items():
                with self.subTest(name):
                    run = self.attacked(name, change)
                    exit_code, output, peak_bytes = self.dry_run(run)
                    self.assertEqual(exit_code, expected, output)
                    self.assertIn("skipped a checkpoint" if expected == 0 else "  do:  ", output)
                    if expected == 0:
                        self.assertIn("resuming after step 4", output)
                    most = max(most, peak_bytes - self.usual_bytes)
        self.assertLess(most / MEBIBYTE, MOST_EXTRA_MEBIBYTES)
        print(f"12 checkpoints by an attacker: no crash, at most {most / MEBIBYTE:.0f} MiB more memory than usual")

    def test_is_an_error_and_no_fresh_start_when_all_are_bad(self):
        run = self.directory / "all-bad"
        shutil.copytree(self.reference, run)
        for checkpoint in run.glob("checkpoint-step-*"):
            (checkpoint / "MANIFEST.json").unlink()
        result = programs.train(run, max_steps=STEPS)
        self.assertEqual(result.exit_code, programs.BAD_DATA, result.output)
        self.assertIn("no checkpoint of the run can be used", result.output)
        self.assertEqual(len(runs.records_of(run)), STEPS, "nothing is lost")

    def test_of_a_run_with_another_seed_rank_rate_or_data_is_refused_with_both_values(self):
        other = edited_cache.copy_of_cache(self.directory / "other-data", edited_cache.another_latent)
        for option, value in (("seed", 1), ("learning_rate", "5e-4"), ("lora_alpha", 3), ("batch_size", 8), ("data", other)):
            with self.subTest(option):
                result = programs.train(self.reference, max_steps=STEPS, **{option: value})
                self.assertEqual(result.exit_code, programs.MISMATCH, result.output)
                self.assertIn("belongs to another run", result.output)
                self.assertGreaterEqual(result.output.count(option.replace("_", "-") + " = "), 2, result.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
