"""What is trained and how: each optimiser with losses, noises and choices of timesteps gives the same bytes on any number of ranks and after a
stop; schedule-free AdamW judges and saves other parameters than it trains; runs and intervals in epochs."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest

import torch
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs
from traced_runs import assert_same_adapter, stop_after_a_step

LOSSES = {"loss": "huber", "min_snr_gamma": 5, "multires_noise_iterations": 4, "ip_noise_gamma": 0.1, "timestep_sampling": "cos_map",
          "validation_split": 0.3, "validation_every": 4, "batch_size": 6, "warmup_steps": 8, "checkpoint_every": 8, "ema_decay": 0.99}
OPTIMIZERS = {
    "lion": {"learning_rate": 1e-3, "optimizer_args": "betas=0.9,0.99 weight_decay=0.01", "lr_schedule": "rex"},
    "adafactor": {"optimizer_args": "warmup_init=true", "lora_kind": "dora", "lora_targets": "full", "train_text_encoder": None},
    "prodigy": {"learning_rate": 1, "optimizer_args": "use_bias_correction=True safeguard_warmup=True d0=1e-4", "lr_schedule": "constant"},
    "adamw-schedule-free": {"learning_rate": 1e-2},
    "adamw": {"learning_rate": 1e-3, "lora_plus_ratio": 16, "lr_schedule": "warmup_stable_decay", "lr_min_ratio": 0.1},
}


class TrainingChoices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-choices-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)

    def command(self, run, ranks=None, **options):
        return programs.command("trainer", *programs.train_options(run, **options), ranks=ranks)

    def train(self, run, **options):
        done = subprocess.run(self.command(run, **options), env=programs.ENVIRONMENT, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def assert_same_results(self, run, reference):
        for file in ("lora_weights.pt", "lora_weights_ema.pt", "checkpoint-step-16/optimizer.safetensors"):
            self.assertEqual((run / file).read_bytes(), (reference / file).read_bytes(), run / file)

    def test_each_optimizer_gives_the_same_bytes_on_any_number_of_ranks_and_after_a_stop(self):
        for name, options in OPTIMIZERS.items():
            with self.subTest(name):
                options = {"optimizer": name, "max_steps": 16, **LOSSES, **options}
                reference = self.directory / f"{name}-1"
                said = self.train(reference, **options)
                self.assertIn(f"{name} (", said) if "optimizer_args" in options else self.assertIn(name, said)
                weights = torch.load(reference / "lora_weights.pt")
                self.assertTrue(any(tensor.any() for path, tensor in weights.items() if path.endswith("lora_B")), "nothing was learnt")
                self.train(self.directory / f"{name}-3", ranks=3, **options)
                self.assert_same_results(self.directory / f"{name}-3", reference)
                stopped = self.directory / f"{name}-stopped"
                stop_after_a_step(self, self.command(stopped, ranks=2, **options), stopped)
                self.train(stopped, **options)
                self.assert_same_results(stopped, reference)
                self.assertEqual([record.get("validation_loss") for record in runs.records_of(stopped)],
                                 [record.get("validation_loss") for record in runs.records_of(reference)])

    def test_schedule_free_adamw_saves_what_it_judges_and_goes_on_from_what_it_trains(self):
        run, silent = self.directory / "free", self.directory / "free-silent"
        options = {"optimizer": "adamw-schedule-free", "learning_rate": 1e-2, "max_steps": 8, "checkpoint_every": 8}
        prompts = self.directory / "prompts.txt"
        prompts.write_text("a fox\n")
        self.train(run, preview_every=3, preview_prompts=prompts, preview_steps=2, preview_average=None, ema_decay=0.9, validation_split=0.3,
                   validation_every=2, **options)
        pictures = [(run / f"previews/step-000008/{number:02}.png").read_bytes() for number in range(2)]
        self.assertNotEqual(*pictures, "the average is not what is trained")
        self.train(silent, validation_split=0.3, **options)
        assert_same_adapter(self, run, silent)  # looking has moved nothing
        checkpoint = next(run.glob("checkpoint-*8"))
        saved, state = load_file(checkpoint / "adapter.safetensors"), load_file(checkpoint / "optimizer.safetensors")
        weights = torch.load(run / "lora_weights.pt")
        self.assertEqual(set(saved), set(weights))
        self.assertTrue(all(torch.equal(saved[name], weights[name].reshape(saved[name].shape)) for name in saved))
        expected = torch.lerp(state["y"], state["z"], 1 - 1 / 0.9)
        flat = sorted(torch.cat([tensor.flatten() for tensor in saved.values()]).tolist())
        torch.testing.assert_close(torch.tensor(flat), expected.sort().values)
        self.assertGreater((state["y"] - expected).abs().max().item(), 1e-4)

    def test_the_text_encoder_convolutions_and_dropouts_give_the_same_bytes_on_two_ranks_in_bf16(self):
        for kind in ("lora", "dora"):
            with self.subTest(kind):
                self.check_bf16(kind)

    def check_bf16(self, kind):
        options = {"lora_kind": kind, "mixed_precision": "bf16", "train_text_encoder": None, "lora_targets": "full", "lora_dropout": 0.1, "max_steps": 4,
                   "optimizer": "adamw-schedule-free", "validation_split": 0.3, "validation_every": 2}
        reference = self.directory / f"bf16-{kind}"
        runs_of_it = {reference.name: {}, f"bf16-{kind}-2": {"ranks": 2}, f"bf16-{kind}-again": {"gradient_checkpointing": None}}
        for name, more in runs_of_it.items():
            self.train(self.directory / name, **options, **more)
            assert_same_adapter(self, self.directory / name, reference)
        exact = self.directory / f"fp32-{kind}"
        self.train(exact, **options | {"mixed_precision": "no"})
        losses = [[record["loss"] for record in runs.records_of(run) if "loss" in record] for run in (reference, exact)]
        for loss, expected in zip(*losses):
            self.assertAlmostEqual(loss / expected, 1, delta=0.03)

    def test_trains_the_text_encoder_alone(self):
        run = self.directory / "text-alone"
        self.train(run, train_text_encoder=None, lora_rank_pattern="^(?!text_model)=0")
        weights = torch.load(run / "lora_weights.pt")
        self.assertTrue(all(name.startswith("text_model.") for name in weights))
        self.assertTrue(all(tensor.any() for name, tensor in weights.items() if name.endswith("lora_B")))

    def test_begins_from_a_dora_or_says_what_it_wants(self):
        first, second = self.directory / "dora", self.directory / "dora-again"
        options = {"lora_targets": "full", "train_text_encoder": None, "max_steps": 2, "warmup_steps": 0}
        self.train(first, lora_kind="dora", learning_rate=1e-3, **options)
        self.train(second, lora_kind="dora", learning_rate=1e-12, init_adapter=first / "lora_weights.pt", **options)
        begun = torch.load(second / "lora_weights.pt")
        for name, tensor in torch.load(first / "lora_weights.pt").items():
            torch.testing.assert_close(begun[name], tensor, rtol=1e-6, atol=1e-9)
        done = subprocess.run(self.command(self.directory / "refused", init_adapter=first / "lora_weights.pt", **options),
                              env=programs.ENVIRONMENT, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, programs.BAD_DATA, done.stdout + done.stderr)
        self.assertIn("give --lora-kind dora", done.stdout + done.stderr)

    def test_runs_and_intervals_in_epochs(self):
        samples = sum(shard["samples"] for shard in json.loads((programs.TINY_CACHE / "manifest.json").read_text())["shards"])
        run = self.directory / "epochs"
        options = {"batch_size": 5, "checkpoint_every": "1epoch", "warmup_steps": 0.25}
        said = self.train(run, max_epochs=3, max_steps=1, **options)
        ends = [-(-epoch * samples // 5) for epoch in (1, 2, 3)]
        self.assertEqual(runs.last_step(run), ends[-1], said)
        self.assertEqual(sorted(int(re.search(r"\d+$", folder.name)[0]) for folder in run.glob("checkpoint-*")), ends)
        self.assertIn("a checkpoint every epoch", said)
        config = tomllib.loads((run / "config.toml").read_text())
        self.assertEqual((config["max-epochs"], config["max-steps"], config["checkpoint-every"]), (3, ends[-1], "1epoch"))
        rates = [record["learning_rate"] for record in runs.records_of(run)]
        self.assertEqual(rates[0], 0)
        self.assertEqual(max(rates), rates[ends[-1] // 4], "the warm-up is a quarter of the run")
        longer = self.train(run, max_epochs=4, **options)
        self.assertEqual(runs.last_step(run), -(-4 * samples // 5))
        self.assertIn("the learning-rate schedule changes", longer)

    def test_what_does_not_fit_is_said(self):
        for options, code, words in (
                ({"scale_v_pred_loss": None}, programs.USAGE, "--scale-v-pred-loss is for models that predict the velocity"),
                ({"min_timestep": 500, "max_timestep": 500}, programs.USAGE, "there is no timestep to train"),
                ({"optimizer_args": "weight_decay=much"}, programs.USAGE, "weight_decay from 0 to"),
                ({"max_timestep": 1001}, programs.USAGE, "the model has no such timesteps"),
                ({"optimizer": "lion", "optimizer_args": "momentum=0.9"}, programs.USAGE, "some of betas, weight_decay"),
                ({"optimizer": "adamw8bit"}, programs.USAGE, "adamw, lion, adafactor, prodigy, adamw-schedule-free"),
                ({"checkpoint_every": "1 epoch"}, programs.USAGE, "of steps (0 or more), or of epochs as in 1epoch"),
                ({"warmup_steps": 2.5}, programs.USAGE, "a whole number of steps, or a number below 1"),
                ({"lora_rank_pattern": "attn1=four"}, programs.USAGE, "REGEX=RANK or REGEX=RANK:ALPHA"),
                ({"lora_rank_pattern": "conv1=4"}, programs.USAGE, "matches no module that gets an adapter"),
                ({"lora_targets": "attn2", "train_text_encoder": None}, programs.USAGE, "matches no module of the text encoder"),
                ({"lora_rank_pattern": "text_model=0", "train_text_encoder": None}, programs.USAGE, "no module of the text encoder is left"),
                ({"lora_dropout": 1}, programs.USAGE, "0 to 0.999"),
                ({"lora_dropout": 0.1, "cuda_graph": None}, programs.USAGE, "a CUDA graph repeats one micro-batch"),
                ({"optimizer": "adamw-schedule-free", "max_weight_norm": 1}, programs.USAGE, "--max-weight-norm with another --optimizer"),
                ({"lora_kind": "dora", "max_weight_norm": 1}, programs.USAGE, "--max-weight-norm or --lora-kind dora"),
                ({"optimizer": "prodigy", "text_encoder_learning_rate": 1}, programs.USAGE, "Prodigy finds one learning rate for all"),
                ({"text_encoder_learning_rate": 1, "max_steps": 1}, 0, "does nothing without --train-text-encoder"),
                ({"lora_conv_rank": 4, "max_steps": 1}, 0, "no convolution over several pixels is trained"),
                ({"optimizer": "prodigy", "max_steps": 1}, 0, "finds its learning rate"),
                ({"huber_c": 0.5, "max_steps": 1}, 0, "--huber-c and --huber-schedule do nothing")):
            run = self.directory / "refused"
            done = subprocess.run(self.command(run, **options), env=programs.ENVIRONMENT, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            self.assertIn(words, done.stdout + done.stderr)
            shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    unittest.main()
