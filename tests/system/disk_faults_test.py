"""A file system that is full, read-only, gone, slow or in error costs checkpoints, never the run: no partial file is left, and what was
saved is found again."""
import errno
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import background
import programs
import reference_run
import runs

STEPS = 24
SHIM = programs.BUILD / "tests/fault_shim.so"


class ADisk(reference_run.ReferenceRun):
    steps = STEPS

    def setUp(self):
        super().setUp()
        self.trigger = self.directory / f"{self._testMethodName}.trigger"

    def start(self, ranks=None, faults=None, **more):
        """faults: what the shim does as long as the trigger exists, to files of checkpoints unless FAULT_PATH says otherwise."""
        options = programs.train_options(self.output, **{"max_steps": STEPS, "checkpoint_every": 2, **more})
        environment = {"FAULT_PATH": "checkpoint-step-", "FAULT_WHILE": str(self.trigger), **faults} if faults else {}
        preload = ["env", f"LD_PRELOAD={SHIM}"] if faults else []
        mpirun = [*programs.MPIRUN, "-np", str(ranks)] if ranks else []
        return background.Program(self, [*mpirun, *preload, *programs.command("trainer", *options)], environment)

    def assert_ends_well(self, process=None):
        output = super().assert_ends_well(process or self.start())
        self.assert_no_partial_file()
        return output

    def assert_no_partial_file(self):
        self.assertEqual([name for name in os.listdir(self.output) if ".tmp-" in name or ".replaced-" in name], [])

    def as_root_or_skip(self):
        if os.geteuid() != 0:
            self.skipTest("SKIPPED: mounting a file system needs root")

    def mount(self, *words):
        subprocess.run(["mount", *map(str, words)], check=True)

    def test_that_fills_costs_checkpoints_and_nothing_else_once_there_is_room_again(self):
        self.as_root_or_skip()
        self.output.mkdir()
        self.mount("-t", "tmpfs", "-o", "size=32m", "tmpfs", self.output)
        self.addCleanup(subprocess.run, ["umount", "-l", self.output])
        process = self.start(checkpoint_every=8)
        process.wait_for_step(self.output, 1)
        with open(self.output / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(1 << 16))
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOSPC)
        process.wait_for_text("no checkpoint was saved (1 of 3 failures in a row)")
        (self.output / "filler").unlink()
        output = self.assert_ends_well(process)
        self.assertIn("No space left on device", output)
        print(f"a full disk: {output.count('no checkpoint was saved')} checkpoint(s) not saved, 0 steps lost, the same bytes")

    def fails_three_times(self, ranks, faults, expected_words):
        process = self.start(ranks=ranks, faults=faults)
        process.wait_for(lambda: (self.output / "checkpoint-step-2").is_dir(), "a checkpoint")
        self.trigger.touch()
        output, _ = process.finish(programs.IO)
        for word in ("1 of 3 failures in a row", "2 of 3 failures in a row", "after: 3 failed save(s) in a row", *expected_words):
            self.assertIn(word, output)
        self.assert_no_partial_file()
        saved = [int(name.removeprefix("checkpoint-step-")) for name in os.listdir(self.output) if name.startswith("checkpoint-step-")]
        lost = runs.last_step(self.output) - max(saved)
        self.assertLessEqual(lost, 6)
        resumed = self.assert_ends_well()
        self.assertIn(f"resuming after step {max(saved)}", resumed)
        print(f"{expected_words[0]}: given up with {programs.IO} after 3 saves, {lost} steps lost when started again, the same bytes")

    def test_that_stays_full_ends_all_ranks_with_74_after_three_saves_and_the_old_checkpoint_counts(self):
        self.fails_three_times(2, {"FAULT_WRITE": str(errno.ENOSPC)}, ["No space left on device", "make room there", str(self.output)])

    def test_with_errors_ends_the_run_with_74_after_three_saves_and_the_old_checkpoint_counts(self):
        self.fails_three_times(None, {"FAULT_WRITE": str(errno.EIO)}, ["Input/output error", str(self.output)])

    def test_that_becomes_read_only_ends_the_run_with_74_and_the_old_checkpoint_counts(self):
        self.as_root_or_skip()
        process = self.start()
        process.wait_for(lambda: (self.output / "checkpoint-step-2").is_dir(), "a checkpoint")
        self.mount("--bind", self.output, self.output)
        try:
            self.mount("-o", "remount,ro,bind", self.output)
            output, _ = process.finish(programs.IO)
        finally:
            subprocess.run(["umount", self.output], check=True)
        self.assertIn("Read-only file system", output)
        self.assertIn(str(self.output), output)
        self.assert_ends_well()

    def test_whose_run_directory_is_removed_ends_the_run_with_74_that_names_it(self):
        process = self.start()
        process.wait_for(lambda: (self.output / "checkpoint-step-2").is_dir(), "a checkpoint")
        gone = self.directory / f"{self._testMethodName}-gone"
        self.output.rename(gone)
        output, _ = process.finish(programs.IO)
        self.assertIn("No such file or directory", output)
        self.assertIn(str(self.output), output)
        gone.rename(self.output)
        self.assert_ends_well()

    def test_that_is_slow_changes_nothing(self):
        self.trigger.touch()
        process = self.start(ranks=2, faults={"FAULT_SYNC_SECONDS": "1"}, checkpoint_every=12)
        self.assert_ends_well(process)

    def test_that_hangs_is_noticed_within_twice_the_step_timeout(self):
        process = self.start(faults={"FAULT_SYNC_SECONDS": "600"}, step_timeout=3)
        process.wait_for(lambda: (self.output / "checkpoint-step-2").is_dir(), "a checkpoint")
        self.trigger.touch()
        output, seconds = process.finish(programs.INTERNAL)
        self.assertIn("none for", output)
        self.assertIn("in checkpoint, step", output)
        self.assertLess(seconds, 2 * 3 + 3)
        print(f"a file system that hangs: noticed after {seconds:.1f} s with a step timeout of 3 s")
        self.assert_ends_well()

    def test_that_reads_in_small_pieces_changes_nothing(self):
        self.trigger.touch()
        self.assert_ends_well(self.start(faults={"FAULT_PATH": "tiny-cache", "FAULT_READ": "0"}))

    def test_whose_handle_of_the_data_is_stale_is_an_io_error_that_names_the_file(self):
        self.trigger.touch()
        process = self.start(faults={"FAULT_PATH": "shard-00000.h5", "FAULT_READ": str(errno.ESTALE)})
        output, _ = process.finish(programs.IO)
        self.assertIn("Stale file handle", output)
        self.assertIn("shard-00000.h5", output)

    def test_keeps_as_many_checkpoints_as_wanted(self):
        self.assert_ends_well(self.start(keep_checkpoints=2))
        kept = sorted(name for name in os.listdir(self.output) if name.startswith("checkpoint-"))
        self.assertEqual(kept, [f"checkpoint-step-{STEPS - 2}", f"checkpoint-step-{STEPS}"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
