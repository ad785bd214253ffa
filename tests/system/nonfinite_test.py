"""A sample that makes NaN, on either of two ranks: its step is skipped by both, it is named, kept and can be replayed; the run goes on."""
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import poisoned_cache
import programs
import runs

STEPS = 6  # one epoch of 24 samples
POISONED_STEP = 4
SLOT_OF_RANK = {0: 1, 1: 2}  # of 4 slots, two per rank


def tensors_of(run):
    """Everything that was written as adapter or checkpoint, by file and name."""
    for file in run.rglob("checkpoint-step-*/*.safetensors"):
        for name, tensor in load_file(file).items():
            yield f"{file} {name}", tensor
    for file in run.glob("lora_weights.pt"):
        for name, tensor in torch.load(file).items():
            yield f"{file} {name}", tensor


class NonfiniteTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-nonfinite-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)

    def assert_finite(self, run):
        tensors = list(tensors_of(run))
        self.assertTrue(tensors)
        for name, tensor in tensors:
            self.assertTrue(tensor.isfinite().all(), name)


class APoisonedSample(NonfiniteTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.runs, cls.pictures, cls.outputs = {}, {}, {}
        for rank, slot in SLOT_OF_RANK.items():
            data = cls.directory / f"data-{rank}"
            [cls.pictures[rank]] = poisoned_cache.poison(data, poisoned_cache.samples_of([POISONED_STEP], [slot]))
            cls.runs[rank] = cls.directory / f"run-{rank}"
            result = programs.train(cls.runs[rank], data=data, ranks=2, max_steps=STEPS, checkpoint_every=2)
            assert result.exit_code == 0, result.output
            cls.outputs[rank] = result.output

    def record_of(self, rank):
        return self.runs[rank] / f"nonfinite-step-{POISONED_STEP:06}"

    def test_costs_its_step_and_no_other_whichever_rank_has_it(self):
        for rank, run in self.runs.items():
            records = runs.records_of(run)
            self.assertEqual([record["step"] for record in records], list(range(1, STEPS + 1)))
            self.assertEqual([record["step"] for record in records if record["skipped"]], [POISONED_STEP], f"rank {rank}")
            self.assertEqual([record["step"] for record in records if record["nonfinite"]], [POISONED_STEP], f"rank {rank}")

    def test_is_named(self):
        for rank, picture in self.pictures.items():
            self.assertIn(f"step {POISONED_STEP}: loss or gradient of {picture} is not finite", self.outputs[rank])

    def test_leaves_no_trace_in_adapter_and_checkpoints(self):
        for run in self.runs.values():
            self.assert_finite(run)

    def test_is_skipped_alike_by_one_rank(self):
        for rank, run in self.runs.items():
            alone = self.directory / f"alone-{rank}"
            result = programs.train(alone, data=self.directory / f"data-{rank}", max_steps=STEPS, checkpoint_every=2)
            self.assertEqual(result.exit_code, 0, result.output)
            runs.assert_equal_results(self, alone, run, STEPS)

    def test_is_saved_by_the_rank_that_has_it(self):
        for rank, slot in SLOT_OF_RANK.items():
            record = json.loads((self.record_of(rank) / "step.json").read_text())
            self.assertEqual(record["step"], POISONED_STEP)
            [sample] = record["samples"]
            self.assertEqual((sample["slot"], sample["rank"], sample["source"], sample["loss"]), (slot, rank, self.pictures[rank], "nan"))
            self.assertTrue(sample["text"])
            inputs = load_file(self.record_of(rank) / f"step-{POISONED_STEP:06}.sample-{slot:06}.safetensors")
            self.assertEqual(set(inputs), {"sample_index", "latents", "noise", "timestep", "encoder_hidden_states", "prediction"})
            self.assertFalse(inputs["latents"].isfinite().all())

    def test_can_be_replayed(self):
        for rank, picture in self.pictures.items():
            result = programs.run("trainer", "--replay", self.record_of(rank))
            self.assertEqual(result.exit_code, 0, result.output)
            self.assertIn(f"{picture}: loss nan (recorded nan)", result.output)
            self.assertIn(f"step {POISONED_STEP} is reproduced as recorded", result.output)

    def test_can_be_replayed_with_the_text_encoder_convolutions_and_dropouts(self):
        run = self.directory / "trained-text"
        result = programs.train(run, data=self.directory / "data-1", ranks=2, max_steps=POISONED_STEP, train_text_encoder=None,
                                lora_targets="full", lora_conv_rank=3, lora_rank_pattern="fc1=2:8", lora_dropout=0.2, lora_module_dropout=0.3)
        self.assertEqual(result.exit_code, 0, result.output)
        [record] = run.glob("nonfinite-step-*")
        result = programs.run("trainer", "--replay", record)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("is reproduced as recorded", result.output)

    def test_that_is_finite_now_is_not_reproduced(self):
        record = self.directory / "healed"
        shutil.copytree(self.record_of(0), record)
        [file] = record.glob("step-*.safetensors")
        inputs = load_file(file)
        inputs["latents"].zero_()
        save_file(inputs, file)
        result = programs.run("trainer", "--replay", record)
        self.assertEqual(result.exit_code, programs.MISMATCH, result.output)
        self.assertIn("is not reproduced here", result.output)

    def test_that_cannot_be_saved_does_not_end_the_run(self):
        run = self.directory / "unwritable"
        run.mkdir()
        (run / f"nonfinite-step-{POISONED_STEP:06}").write_text("a file where the folder should be")
        result = programs.train(run, data=self.directory / "data-1", ranks=2, max_steps=STEPS)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn(f"samples of step {POISONED_STEP} are not saved", result.output)
        self.assert_finite(run)


class ARunThatOnlyMakesNaN(NonfiniteTest):
    def train(self, poisoned_steps, **options):
        data, run = self.directory / f"{self._testMethodName}-data", self.directory / self._testMethodName
        poisoned_cache.poison(data, poisoned_cache.samples_of(poisoned_steps, [0, 3]))
        result = programs.train(run, data=data, ranks=2, max_steps=STEPS, **options)
        self.assertEqual(result.exit_code, programs.DIVERGED, result.output)
        self.assertFalse((run / "lora_weights.pt").exists())
        return run, result.output

    def test_stops_with_the_last_good_checkpoint(self):
        run, output = self.train([5, 6], max_nonfinite_steps=2, checkpoint_every=2)
        self.assertIn("2 steps up to step 6", output)
        self.assertEqual(sorted(folder.name for folder in run.glob("checkpoint-step-*")), ["checkpoint-step-2", "checkpoint-step-4"])
        self.assert_finite(run)

    def test_keeps_the_inputs_of_three_steps(self):
        run, _ = self.train(range(1, STEPS + 1), max_nonfinite_steps=5)
        self.assertEqual(sorted(folder.name for folder in run.glob("nonfinite-step-*")), [f"nonfinite-step-{step:06}" for step in (1, 2, 3)])
        self.assertEqual(len(json.loads((run / "nonfinite-step-000001/step.json").read_text())["samples"]), 2)


class Replay(unittest.TestCase):
    def test_says_what_it_wants(self):
        result = programs.run("trainer", "--replay", "/no/such/step")
        self.assertEqual(result.exit_code, programs.USAGE, result.output)
        self.assertIn("there is no step to replay", result.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
