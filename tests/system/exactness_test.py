"""A run is a function of its config, seed and data: not of the number of ranks, of how often it saves or looks, and not of
interruptions. Prints a table of what was compared."""
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs

STEPS, BATCH = 24, 12


def training_metrics(run):
    """metrics.jsonl without what a clock says and without validation, which a run may have or not."""
    return [{key: value for key, value in record.items() if not key.startswith("validation")} for record in runs.steps_of(run)
            if record["step"] > 0]


class Comparison:
    """What every run is compared with, and how."""
    OPTIONS = {}
    WHAT = ""
    FILES = ("lora_weights.pt", f"checkpoint-step-{STEPS}/adapter.safetensors", f"checkpoint-step-{STEPS}/optimizer.safetensors")

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-exactness-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.rows = []
        cls.reference = cls.directory / "reference"
        result = cls.train_in(cls.reference)
        assert result.exit_code == 0, result.output

    @classmethod
    def tearDownClass(cls):
        print(f"\n{STEPS} steps of {BATCH} samples, one a forward; compared byte by byte with one process that was never touched"
              f"{cls.WHAT}:\n"
              f"{'':<82} lora_weights.pt  checkpoint  metrics")
        for how, are_equal in cls.rows:
            print(f"{how:<82} {'equal' if are_equal else 'DIFFERENT':<16} {'equal' if are_equal else '':<11} {'equal' if are_equal else ''}")

    @classmethod
    def options(cls, **options):
        return {"max_steps": STEPS, "batch_size": BATCH, **cls.OPTIONS, **options}

    @classmethod
    def train_in(cls, run, ranks=None, **options):
        return programs.train(run, ranks=ranks, **cls.options(**options))

    def run_directory(self):
        return self.directory / self._testMethodName

    def train(self, **options):
        result = self.train_in(self.run_directory(), **options)
        self.assertEqual(result.exit_code, 0, result.output)
        return result

    def assert_equals_the_reference(self, run, how):
        self.rows.append((how, False))
        for name in self.FILES:
            self.assertEqual((run / name).read_bytes(), (self.reference / name).read_bytes(), name)
        self.assertEqual(training_metrics(run), training_metrics(self.reference))
        self.rows[-1] = (how, True)

    def interrupt(self, signal_number, after_step, expected_exit_code, ranks=None, **options):
        options = programs.train_options(self.run_directory(), **self.options(**options))
        process = subprocess.Popen(programs.command("trainer", *options, ranks=ranks), env=programs.ENVIRONMENT, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        runs.wait_for(lambda: runs.last_step(self.run_directory()) >= after_step or process.poll() is not None, f"step {after_step}")
        process.send_signal(signal_number)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, expected_exit_code, output)

    def test_writes_the_same_bytes_on_one_two_three_four_and_six_ranks(self):
        for ranks in (1, 2, 3, 4, 6):
            run = self.directory / f"ranks-{ranks}"
            result = self.train_in(run, ranks=ranks)
            self.assertEqual(result.exit_code, 0, result.output)
            self.assert_equals_the_reference(run, f"mpirun -np {ranks}")

    def test_goes_on_after_stops_on_other_numbers_of_ranks_without_a_flag(self):
        stops = []
        for ranks in (2, 3, 1):
            self.interrupt(signal.SIGUSR1, after_step=runs.last_step(self.run_directory()) + 1, ranks=ranks,
                           expected_exit_code=programs.STOPPED)
            stops.append(len(runs.steps_of(self.run_directory())))
            self.assertTrue((self.run_directory() / f"checkpoint-step-{stops[-1]}").is_dir(), "no step may be lost")
        # What is not said is what it was: the micro-batch and the threads come from the checkpoint.
        result = self.train(ranks=4, micro_batch_size="auto", cpu_threads="auto")
        self.assertIn(f"resuming after step {stops[-1]}", result.output)
        self.assert_equals_the_reference(self.run_directory(), "-np 2, USR1 after step {}; -np 3, USR1 after step {}; -np 1, USR1 after step {}; "
                                         "-np 4".format(*stops))

    def test_goes_on_after_kill_9(self):
        self.interrupt(signal.SIGKILL, after_step=5, expected_exit_code=-signal.SIGKILL, checkpoint_every=2)
        self.train()
        self.assert_equals_the_reference(self.run_directory(), "killed (9) after step 5 or later, with --checkpoint-every 2; gone on")

    def test_writes_the_same_bytes_whether_it_looks_at_its_work_or_not(self):
        prompts = self.directory / "prompts.txt"
        prompts.write_text("a red circle\n")
        self.train(ranks=2, validation_every=3, validation_data=programs.TINY_CACHE, preview_every=5, preview_prompts=prompts,
                   preview_steps=2)
        self.assertTrue((self.run_directory() / "previews/step-000005/00.png").exists())
        self.assert_equals_the_reference(self.run_directory(), "mpirun -np 2, with validation and previews")

    def test_writes_the_same_bytes_when_blocks_are_computed_again_in_the_backward(self):
        self.train(ranks=2, gradient_checkpointing=None)
        self.assert_equals_the_reference(self.run_directory(), "mpirun -np 2, with --gradient-checkpointing")


class ARun(Comparison, unittest.TestCase):
    def test_writes_the_same_bytes_however_often_it_saves(self):
        for every in (1, 3, 0):
            run = self.directory / f"every-{every}"
            result = self.train_in(run, checkpoint_every=every)
            self.assertEqual(result.exit_code, 0, result.output)
            self.assert_equals_the_reference(run, f"--checkpoint-every {every}")

    def test_goes_on_from_an_older_checkpoint_when_the_newest_is_damaged(self):
        self.train(checkpoint_every=4)
        newest = self.run_directory() / f"checkpoint-step-{STEPS}" / "adapter.safetensors"
        content = bytearray(newest.read_bytes())
        content[-10] ^= 1
        newest.write_bytes(content)
        result = self.train()
        self.assertIn("skipped a checkpoint", result.output)
        self.assertIn(f"resuming after step {STEPS - 4}", result.output)
        self.assert_equals_the_reference(self.run_directory(), "newest checkpoint damaged; gone on from the one before")

    def test_does_nothing_again_when_it_is_complete(self):
        self.train()
        self.train(ranks=2)
        self.assert_equals_the_reference(self.run_directory(), "complete; started again on 2 ranks")


class ARunOfAllThatIsDrawnAndTrained(Comparison, unittest.TestCase):
    """The text encoder, convolutions, dropouts, changing captions, bounded norms, a moving average and Prodigy in one run."""
    WHAT = ", with the text encoder, convolutions, dropouts,\nchanging captions, bounded norms, a moving average and Prodigy"
    OPTIONS = {
        "train_text_encoder": None, "lora_targets": "full", "lora_rank": 4, "lora_conv_rank": 2, "lora_rank_pattern": "mid_block=6:3",
        "lora_dropout": 0.1, "lora_rank_dropout": 0.1, "lora_module_dropout": 0.1, "max_weight_norm": 0.5, "caption_shuffle": None,
        "caption_dropout": 0.1, "caption_tag_dropout": 0.1, "ema_decay": 0.99, "optimizer": "prodigy", "learning_rate": 1,
        "optimizer_args": "d0=1e-4", "loss": "huber", "min_snr_gamma": 5, "noise_offset": 0.05}
    FILES = (*Comparison.FILES, "lora_weights_ema.pt")

    def test_has_learnt_everywhere(self):
        weights = torch.load(self.reference / "lora_weights.pt")
        for part in ("text_model.", ".attn1.", ".conv1.", "upsamplers"):
            self.assertTrue(any(tensor.any() for name, tensor in weights.items() if part in name and name.endswith("lora_B")), part)


class ThePrecisions(unittest.TestCase):
    def test_train_alike(self):
        """fp16 with loss scaling and bf16 follow the losses of fp32."""
        with tempfile.TemporaryDirectory() as directory:
            losses = {}
            for precision in ("no", "fp16", "bf16"):
                run = pathlib.Path(directory) / precision
                result = programs.train(run, max_steps=12, mixed_precision=precision, ranks=2)
                self.assertEqual(result.exit_code, 0, result.output)
                losses[precision] = [record["loss"] for record in runs.steps_of(run) if not record["skipped"]]
            for precision, tolerance in (("fp16", 0.01), ("bf16", 0.03)):
                for loss, expected in zip(losses[precision], losses["no"][-len(losses[precision]):]):
                    self.assertAlmostEqual(loss / expected, 1, delta=tolerance, msg=precision)


if __name__ == "__main__":
    unittest.main(verbosity=2)
