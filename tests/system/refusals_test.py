"""Bad input gets one clear message and the right exit code, and nothing is lost."""
import pathlib
import shutil
import sys
import tempfile
import tomllib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs


class TheTrainerRefuses(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-refusals-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def expect(self, exit_code, *words, ranks=None, **options):
        result = programs.train(self.directory / "run", ranks=ranks, **options)
        self.assertEqual(result.exit_code, exit_code, result.output)
        for word in words:
            self.assertIn(word, result.output)
        self.assertEqual(result.output.count("  do:  "), 1, "one message, with advice:\n" + result.output)
        self.assertNotIn("terminate called", result.output)
        return result.output

    def copy_of(self, source, name):
        shutil.copytree(source, self.directory / name)
        return self.directory / name

    def test_a_gpu_where_there_is_none(self):
        if pathlib.Path("/dev/nvidia0").exists():
            self.skipTest("this machine has a GPU")
        self.expect(programs.MISMATCH, "no GPU", "--device cpu", device="cuda")

    def test_a_cuda_graph_on_the_cpu(self):
        result = programs.run("trainer", *programs.train_options(self.directory / "run", device="cpu"), "--cuda-graph")
        self.assertEqual(result.exit_code, programs.MISMATCH, result.output)
        self.assertIn("--cuda-graph needs a GPU", result.output)

    def test_a_missing_model_directory(self):
        self.expect(programs.USAGE, "/no/such/model", model="/no/such/model")

    def test_a_missing_data_directory(self):
        self.expect(programs.USAGE, "/no/such/data", data="/no/such/data")

    def test_a_truncated_weight_file(self):
        model = self.copy_of(programs.TINY_MODEL, "model")
        weights = model / "unet/diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1000])
        self.expect(programs.BAD_DATA, "diffusion_pytorch_model.safetensors", "1000", model=model)

    def test_a_config_of_another_model(self):
        model = self.copy_of(programs.TINY_MODEL, "model")
        config = model / "unet/config.json"
        text = config.read_text()
        config.write_text(text.replace('"layers_per_block": 2', '"layers_per_block": 3'))
        self.assertNotEqual(text, config.read_text())
        self.expect(programs.BAD_DATA, "missing", "resnets.2", model=model)

    def test_a_shard_with_a_flipped_byte(self):
        data = self.copy_of(programs.TINY_CACHE, "data")
        shard = data / "shard-00000.h5"
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
        self.expect(programs.BAD_DATA, "shard-00000.h5", data=data)

    def test_a_truncated_shard(self):
        data = self.copy_of(programs.TINY_CACHE, "data")
        shard = data / "shard-00000.h5"
        shard.write_bytes(shard.read_bytes()[:-1])
        self.expect(programs.BAD_DATA, "shard-00000.h5", data=data)

    def test_a_data_set_of_another_image_size(self):
        self.expect(programs.USAGE, "64", "512", "--img-size", img_size=512)

    def test_a_data_set_that_another_vae_made(self):
        model = self.copy_of(programs.TINY_MODEL, "model")
        [weights] = (model / "vae").glob("*.safetensors")
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        self.expect(programs.BAD_DATA, "cached with another vae", model=model)

    def test_a_misspelt_option_with_a_suggestion(self):
        self.expect(programs.USAGE, "--lerning-rate", "did you mean --learning-rate?", lerning_rate=1)

    def test_numbers_that_are_not_finite(self):
        for option in ("learning-rate", "lora-alpha", "seed", "preview-guidance-scale"):
            for word in ("nan", "inf", "-inf"):
                result = programs.run("trainer", *programs.train_options(self.directory / "run"), f"--{option}={word}", "--dry-run")
                self.assertEqual(result.exit_code, programs.USAGE, result.output)
                self.assertIn(f"--{option} does not take this value", result.output)
        config = self.directory / "config.toml"
        config.write_text("learning-rate = nan\n")
        result = programs.run("trainer", "--config", config)
        self.assertEqual((result.exit_code, "--learning-rate" in result.output), (programs.USAGE, True), result.output)

    def test_a_config_file_that_is_not_toml(self):
        config = self.directory / "config.toml"
        config.write_text('seed = 1\nlora-targets = "\\.attn2\\."\n')
        result = programs.run("trainer", "--config", config)
        self.assertEqual(result.exit_code, programs.USAGE, result.output)
        self.assertIn(f"{config}, line 2", result.output)
        self.assertEqual(result.output.count("  do:  "), 1, result.output)

    def test_an_output_that_cannot_be_written(self):
        (self.directory / "file").write_text("not a directory")
        result = programs.train(self.directory / "file" / "run")
        self.assertEqual(result.exit_code, programs.IO, result.output)
        self.assertIn(str(self.directory / "file" / "run"), result.output)

    def test_a_batch_that_ranks_and_micro_batches_do_not_divide(self):
        self.expect(programs.USAGE, "--batch-size 4, 3 ranks", ranks=3)
        self.expect(programs.USAGE, "--micro-batch-size 3", ranks=2, micro_batch_size=3, batch_size=8)

    def test_a_used_output_when_a_fresh_run_is_asked_for(self):
        self.assertEqual(programs.train(self.directory / "run").exit_code, 0)
        log = (self.directory / "run/log.txt").read_text()
        self.expect(programs.USAGE, "--resume", "metrics.jsonl, lora_weights.pt", resume="none")
        self.assertEqual((self.directory / "run/log.txt").read_text(), log, "nothing of a run that is refused")

    def test_to_go_on_with_other_settings(self):
        self.assertEqual(programs.train(self.directory / "run").exit_code, 0)
        self.expect(programs.MISMATCH, "lora-rank = 16", "lora-rank = 8", lora_rank=8)

    def test_targets_that_match_nothing(self):
        self.expect(programs.USAGE, "no_such_module", lora_targets="no_such_module")


class ItsConfiguration(unittest.TestCase):
    def test_takes_the_last_of_two_flags_and_is_toml_whatever_it_holds(self):
        with tempfile.TemporaryDirectory() as directory:
            run = pathlib.Path(directory) / 'a "quoted" größe'
            options = programs.train_options(run, lora_targets=r".*\.attn2\..*", max_steps=1)
            result = programs.run("trainer", *options, "--tensorboard", "--seed", 5, "--seed", 6, "--tensorboard=false")
            self.assertEqual(result.exit_code, 0, result.output)
            text = (run / "config.toml").read_text()
            config = tomllib.loads(text)
            self.assertEqual(config["lora-targets"], r".*\.attn2\..*")
            self.assertEqual(config["output"], str(run))
            self.assertEqual((config["seed"], config["tensorboard"]), (6, False))
            self.assertIsInstance(config["weight-decay"], float)
            self.assertIn("\n# Optimiser\noptimizer = ", text)
            again = pathlib.Path(directory) / "again"
            result = programs.run("trainer", "--config", run / "config.toml", "--output", again)
            self.assertEqual(result.exit_code, 0, result.output)
            self.assertEqual({**tomllib.loads((again / "config.toml").read_text()), "output": str(run)}, config)
            self.assertEqual((again / "lora_weights.pt").read_bytes(), (run / "lora_weights.pt").read_bytes())


class ADryRun(unittest.TestCase):
    def test_prints_the_plan_and_writes_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            run = pathlib.Path(directory) / "run"
            options = programs.train_options(run)
            result = programs.run("trainer", *options, "--dry-run")
            self.assertEqual(result.exit_code, 0, result.output)
            self.assertIn("4 samples per step = 1 rank(s) × 4 micro-batch(es) of 1", result.output)
            self.assertFalse(run.exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
