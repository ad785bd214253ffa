"""A run is a function of its config, seed and data: not of the number of ranks, and not of interruptions."""
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs

STEPS = 12


class ARun(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-exactness-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.reference = cls.directory / "reference"
        result = programs.train(cls.reference, max_steps=STEPS)
        assert result.exit_code == 0, result.output

    def run_directory(self):
        return self.directory / self._testMethodName

    def assert_equals_the_reference(self, run):
        runs.assert_equal_results(self, run, self.reference, STEPS)

    def train(self, **options):
        return programs.train(self.run_directory(), max_steps=STEPS, **options)

    def test_writes_the_same_bytes_on_one_two_and_four_ranks(self):
        for ranks in (1, 2, 4):
            run = self.directory / f"ranks-{ranks}"
            result = programs.train(run, max_steps=STEPS, ranks=ranks)
            self.assertEqual(result.exit_code, 0, result.output)
            self.assert_equals_the_reference(run)

    def test_writes_the_same_bytes_however_often_it_saves(self):
        self.assertEqual(self.train(checkpoint_every=1).exit_code, 0)
        self.assert_equals_the_reference(self.run_directory())

    def test_goes_on_after_a_stop_on_another_number_of_ranks(self):
        process = subprocess.Popen(programs.command("trainer", *programs.train_options(self.run_directory(), max_steps=STEPS), ranks=2),
                                   env=programs.ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.wait_for_step(3, process)
        process.send_signal(signal.SIGUSR1)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, programs.STOPPED, output)
        stopped_after = len(runs.steps_of(self.run_directory()))
        self.assertTrue((self.run_directory() / f"checkpoint-step-{stopped_after}").is_dir(), "no step may be lost")
        result = self.train(ranks=4)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn(f"resuming after step {stopped_after}", result.output)
        self.assert_equals_the_reference(self.run_directory())

    def test_goes_on_after_kill_9(self):
        process = subprocess.Popen(programs.command("trainer", *programs.train_options(self.run_directory(), max_steps=STEPS, checkpoint_every=2)),
                                   env=programs.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_for_step(5, process)
        process.kill()
        process.wait()
        result = self.train()
        self.assertEqual(result.exit_code, 0, result.output)
        self.assert_equals_the_reference(self.run_directory())

    def test_goes_on_from_an_older_checkpoint_when_the_newest_is_damaged(self):
        self.assertEqual(self.train(checkpoint_every=4).exit_code, 0)
        newest = self.run_directory() / f"checkpoint-step-{STEPS}" / "adapter.safetensors"
        content = bytearray(newest.read_bytes())
        content[-10] ^= 1
        newest.write_bytes(content)
        result = self.train()
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("skipped a checkpoint", result.output)
        self.assertIn("resuming after step 8", result.output)
        self.assert_equals_the_reference(self.run_directory())

    def test_does_nothing_again_when_it_is_complete(self):
        self.assertEqual(self.train().exit_code, 0)
        result = self.train(ranks=2)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assert_equals_the_reference(self.run_directory())

    def wait_for_step(self, step, process):
        metrics = self.run_directory() / "metrics.jsonl"
        deadline = time.monotonic() + 60
        while not (metrics.exists() and metrics.read_text().count("\n") >= step):
            self.assertLess(time.monotonic(), deadline, "no progress")
            self.assertIsNone(process.poll(), "it ended too early")
            time.sleep(0.01)


class ThePrecisions(unittest.TestCase):
    def test_train_alike(self):
        """fp16 with loss scaling and bf16 follow the losses of fp32."""
        with tempfile.TemporaryDirectory() as directory:
            losses = {}
            for precision in ("no", "fp16", "bf16"):
                run = pathlib.Path(directory) / precision
                result = programs.train(run, max_steps=STEPS, mixed_precision=precision, ranks=2)
                self.assertEqual(result.exit_code, 0, result.output)
                losses[precision] = [record["loss"] for record in runs.steps_of(run) if not record["skipped"]]
            for precision, tolerance in (("fp16", 0.01), ("bf16", 0.03)):
                for loss, expected in zip(losses[precision], losses["no"][-len(losses[precision]):]):
                    self.assertAlmostEqual(loss / expected, 1, delta=tolerance, msg=precision)


if __name__ == "__main__":
    unittest.main(verbosity=2)
