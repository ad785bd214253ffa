"""Validation while training: the figures are right, the same on any number of ranks and after an interruption, and the adapter does not
know of them."""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from safetensors.torch import load_file

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / folder) for folder in ("support", "trainer")]
import programs
import replay
import runs

STEPS, EVERY, SPLIT = 7, 3, 0.25
HELD_OUT, NOISE, TIMESTEP = 5, 6, 7


class Validation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-validation-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.reference = cls.directory / "reference"
        result = cls.train_to(cls.reference)
        assert result.exit_code == 0, result.output
        cls.reference_output = result.output

    @staticmethod
    def train_to(run, **options):
        return programs.train(run, **{"max_steps": STEPS, "validation_split": SPLIT, "validation_every": EVERY, **options})

    def run_directory(self):
        return self.directory / self._testMethodName

    def assert_equals_the_reference(self, run):
        for name in ("lora_weights.pt", f"checkpoint-step-{STEPS}/adapter.safetensors", f"checkpoint-step-{STEPS}/optimizer.safetensors"):
            self.assertEqual((run / name).read_bytes(), (self.reference / name).read_bytes(), name)
        self.assertEqual(runs.steps_of(run), runs.steps_of(self.reference))

    def test_is_reported_before_the_first_step_every_few_steps_and_at_the_end(self):
        records = runs.records_of(self.reference)
        self.assertEqual([record["step"] for record in records], list(range(STEPS + 1)))
        with_validation = [record for record in records if "validation_loss" in record]
        self.assertEqual([record["step"] for record in with_validation], [0, 3, 6, 7])
        for record in with_validation:
            quarters = [record[f"validation_loss_q{quarter}"] for quarter in (1, 2, 3, 4)]
            self.assertAlmostEqual(record["validation_loss"], sum(quarters) / 4, places=9)
            self.assertIn(f"validation after step {record['step']}: loss {record['validation_loss']:.5f}", self.reference_output)
        self.assertNotEqual(with_validation[0]["validation_loss"], with_validation[-1]["validation_loss"])

    def test_leaves_the_adapter_as_it_is_without(self):
        run = self.run_directory()
        self.assertEqual(self.train_to(run, validation_every=0).exit_code, 0)
        self.assertEqual((run / "lora_weights.pt").read_bytes(), (self.reference / "lora_weights.pt").read_bytes())
        self.assertNotIn("validation", (run / "metrics.jsonl").read_text())

    def test_says_the_same_on_two_and_four_ranks(self):
        for ranks in (2, 4):
            run = self.directory / f"ranks-{ranks}"
            result = self.train_to(run, ranks=ranks)
            self.assertEqual(result.exit_code, 0, result.output)
            self.assert_equals_the_reference(run)

    def test_is_complete_after_a_stop_while_it_runs(self):
        """A stop does not wait for the validation; the run that goes on makes up for it."""
        run = self.run_directory()
        options = programs.train_options(run, max_steps=STEPS, validation_split=SPLIT, validation_every=EVERY)
        process = subprocess.Popen(programs.command("trainer", *options, ranks=2), env=programs.ENVIRONMENT, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        deadline = time.monotonic() + 60
        while not (run / "metrics.jsonl").exists():  # made just before the first validation
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)
        process.send_signal(signal.SIGUSR1)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, programs.STOPPED, output)
        print(next(line for line in output.splitlines() if "stopped by a signal" in line))
        result = self.train_to(run)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assert_equals_the_reference(run)

    def test_is_complete_after_kill_9(self):
        run = self.run_directory()
        options = programs.train_options(run, max_steps=STEPS, validation_split=SPLIT, validation_every=EVERY, checkpoint_every=1)
        process = subprocess.Popen(programs.command("trainer", *options), env=programs.ENVIRONMENT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (run / "checkpoint-step-3").is_dir():  # saved just before the validation after step 3
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)
        process.kill()
        process.wait()
        result = self.train_to(run)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assert_equals_the_reference(run)

    def held_out(self):
        count = len(replay.Cache(programs.TINY_CACHE).mean)
        order = torch.randperm(count, generator=replay.generator(0, 0, 0, HELD_OUT)).tolist()
        return sorted(order[:round(SPLIT * count)])

    def test_trains_on_no_held_out_picture(self):
        run, trace = self.run_directory(), self.directory / "trace"
        self.assertEqual(self.train_to(run, trace_dir=trace, max_steps=10).exit_code, 0)
        trained = {int(load_file(file)["sample_index"]) for file in trace.glob("step-*.sample-*.safetensors")}
        self.assertEqual(len(trained), 18, "10 steps of 4 are two epochs and more")
        self.assertFalse(trained & set(self.held_out()))

    def test_is_the_loss_that_diffusers_has_at_the_documented_noise_and_timesteps(self):
        cache = replay.Cache(programs.TINY_CACHE)
        unet = UNet2DConditionModel.from_pretrained(programs.TINY_MODEL, subfolder="unet")
        schedule = DDPMScheduler.from_pretrained(programs.TINY_MODEL, subfolder="scheduler")
        scaling_factor = json.loads((programs.TINY_MODEL / "vae/config.json").read_text()).get("scaling_factor", 0.18215)
        losses = [[], [], [], []]
        for sample in self.held_out():
            for quarter in range(4):
                mean = torch.from_numpy(cache.mean[sample])
                noise = torch.randn(mean.shape, generator=replay.generator(0, sample, quarter, NOISE))
                timestep = torch.randint(250, (1,), generator=replay.generator(0, sample, quarter, TIMESTEP)) + 250 * quarter
                noisy = schedule.add_noise((mean * scaling_factor)[None], noise[None], timestep)
                with torch.no_grad():
                    prediction = unet(noisy, timestep, torch.from_numpy(cache.embedding[cache.captions[sample][0]])[None]).sample
                losses[quarter].append((prediction[0] - noise).square().mean().item())
        first = runs.records_of(self.reference)[0]
        for quarter in range(4):
            expected = sum(losses[quarter]) / len(losses[quarter])
            self.assertAlmostEqual(first[f"validation_loss_q{quarter + 1}"] / expected, 1, delta=1e-5)

    def test_takes_another_cache(self):
        run = self.run_directory()
        result = self.train_to(run, validation_split=0, validation_data=programs.TINY_CACHE, max_steps=1)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("validation on 24 samples", result.output)
        self.assertIn("validation_loss_q4", runs.records_of(run)[0])

    def test_wants_exactly_one_set(self):
        for options in ({"validation_split": 0}, {"validation_data": programs.TINY_CACHE}):
            result = self.train_to(self.run_directory(), **options)
            self.assertEqual(result.exit_code, programs.USAGE, result.output)
            self.assertIn("--validation-split", result.output)

    def test_does_not_go_on_with_another_split(self):
        run = self.run_directory()
        self.assertEqual(self.train_to(run).exit_code, 0)
        result = self.train_to(run, validation_split=0.5)
        self.assertEqual(result.exit_code, programs.MISMATCH, result.output)
        self.assertIn("validation-split", result.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
