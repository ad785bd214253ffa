"""The program generate: what it writes, what it refuses and how, and what must not change a picture."""
import hashlib
import json
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs  # noqa: E402
from programs import BAD_DATA, IO, MISMATCH, USAGE  # noqa: E402

QUICK = {"--model": programs.TINY_MODEL, "--width": 64, "--height": 64, "--steps": 2, "--cpu-threads": 1, "--device": "cpu"}


def quickly(*options):
    """Small pictures and few steps, where the options do not say otherwise."""
    return [*(word for option in QUICK.items() if option[0] not in options for word in option), *options]


class GenerateTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def generate(self, *options):
        """Runs it; returns what it said."""
        result = programs.run("generate", *quickly(*options))
        self.assertEqual(result.exit_code, 0, result.output)
        return result.output

    def refused(self, exit_code, words, *options):
        result = programs.run("generate", *quickly(*options))
        self.assertEqual(result.exit_code, exit_code, result.output)
        for word in words if isinstance(words, tuple) else (words,):
            self.assertIn(word, result.output)
        self.assertEqual([f for f in self.folder.rglob("*.png") if f.name != "start.png"], [])

    def hash_of(self, name):
        return hashlib.sha256((self.folder / name).read_bytes()).hexdigest()

    def write_adapter(self, name="adapter.pt", path="down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", columns=32):
        file = self.folder / name
        rows = 64 if path.startswith("mid_block") else 32
        torch.save({f"{path}.lora_A": torch.randn(4, columns), f"{path}.lora_B": torch.randn(rows, 4)}, file)
        description = {"format": "sdlora adapter 1", "rank": 4, "alpha": 4, "targets": "attn", "step": 1, "base_model_sha256": ""}
        file.with_suffix(".json").write_text(json.dumps(description))
        return file

    def test_makes_a_picture_with_its_parameters(self):
        output = self.folder / "new" / "fox.png"
        self.generate("--prompt", "a fox", "--negative-prompt", "dog", "--seed", 3, "--height", 128, "--output", output)
        picture = Image.open(output)
        self.assertEqual((picture.size, picture.mode), ((64, 128), "RGB"))
        self.assertEqual(picture.info["parameters"], "a fox\nNegative prompt: dog\nSteps: 2, Sampler: DPM++ 2M, CFG scale: 7.5, "
                                                     "Seed: 3, Size: 64x128")  # fmt: skip

    def test_the_same_options_make_the_same_bytes_and_another_seed_others(self):
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            self.generate("--prompt", "a fox", "--seed", seed, "--output", self.folder / f"{name}.png")
        self.assertEqual(self.hash_of("a.png"), self.hash_of("b.png"))
        self.assertNotEqual(self.hash_of("a.png"), self.hash_of("c.png"))

    def test_a_batch_does_not_change_its_pictures(self):
        latents = {}
        for size in (1, 3):
            final = self.folder / f"{size}.safetensors"
            self.generate("--prompt", "a fox", "--num-images", 4, "--batch-size", size, "--sampler", "euler_a", "--steps", 4,
                          "--output", self.folder / f"{size}", "--final-latents", final)  # fmt: skip
            latents[size] = load_file(final)["latents"]
        self.assertEqual(list(latents[1].shape), [4, 4, 8, 8])
        torch.testing.assert_close(latents[3], latents[1], rtol=0, atol=1e-5 * float(latents[1].abs().max()))
        for name in ("0000.png", "0003.png"):
            pixels = [np.asarray(Image.open(self.folder / str(size) / name)).astype(int) for size in (1, 3)]
            self.assertLessEqual(np.abs(pixels[0] - pixels[1]).max(), 1)
        self.generate("--prompt", "a fox", "--seed", 3, "--sampler", "euler_a", "--steps", 4, "--output", self.folder / "alone.png")
        self.assertEqual(self.hash_of("alone.png"), self.hash_of("1/0003.png"))

    def test_a_prompt_file_makes_what_single_runs_make(self):
        self.generate("--prompt", "a cat", "--output", self.folder / "start.png")
        prompts = self.folder / "prompts.jsonl"
        prompts.write_text('a fox\n{"prompt": "a dog", "seed": 9, "negative_prompt": "cat", "init_image": "start.png", '
                           '"output": "dog.png"}\na lighthouse\n')  # fmt: skip
        self.generate("--prompt-file", prompts, "--strength", 1, "--batch-size", 2, "--output", self.folder / "pictures")
        self.assertEqual(sorted(f.name for f in (self.folder / "pictures").iterdir()), ["0000.png", "0002.png", "dog.png"])
        self.generate("--prompt", "a dog", "--seed", 9, "--negative-prompt", "cat", "--init-image", self.folder / "start.png",
                      "--strength", 1, "--output", self.folder / "dog.png")  # fmt: skip
        self.assertEqual(self.hash_of("dog.png"), self.hash_of("pictures/dog.png"))
        self.generate("--prompt", "a lighthouse", "--seed", 2, "--output", self.folder / "lighthouse.png")
        self.assertEqual(self.hash_of("lighthouse.png"), self.hash_of("pictures/0002.png"))

    def test_an_adapter_counts_as_much_as_its_scale_says(self):
        adapter = self.write_adapter()
        self.generate("--prompt", "a fox", "--output", self.folder / "base.png")
        said = self.generate("--prompt", "a fox", "--lora", adapter, "--output", self.folder / "one.png")
        self.assertIn("2 of 2 tensors", said)
        self.generate("--prompt", "a fox", "--lora", adapter, "--lora-scale", 0, "--output", self.folder / "zero.png")
        self.assertEqual(self.hash_of("zero.png"), self.hash_of("base.png"))
        self.assertNotEqual(self.hash_of("one.png"), self.hash_of("base.png"))
        self.assertIn("Lora: adapter", Image.open(self.folder / "one.png").info["parameters"])

    def test_several_adapters_count_each_by_its_own_scale(self):
        first, second = self.write_adapter("first.pt"), self.write_adapter("second.pt", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q", 64)
        said = self.generate("--prompt", "a fox", "--lora", f"{first}:0.5", "--lora", second, "--lora-scale", 2, "--output",
                             self.folder / "x.png", "--final-latents", self.folder / "x.safetensors")  # fmt: skip
        self.assertEqual(said.count("2 of 2 tensors"), 2)
        with Image.open(self.folder / "x.png") as picture:
            self.assertIn("Lora: first, Lora scale: 0.5, Lora 2: second, Lora 2 scale: 2", picture.info["parameters"])
        self.generate("--prompt", "a fox", "--lora", f"{second}:2", "--lora", f"{first}:0.5", "--output", self.folder / "y.png",
                      "--final-latents", self.folder / "y.safetensors")  # fmt: skip
        self.assertEqual(self.hash_of("x.safetensors"), self.hash_of("y.safetensors"))
        self.generate("--prompt", "a fox", "--lora", f"{first}:0", "--lora", f"{second}:0", "--output", self.folder / "zero.png")
        self.generate("--prompt", "a fox", "--output", self.folder / "base.png")
        self.assertEqual(self.hash_of("zero.png"), self.hash_of("base.png"))

    def test_initial_latents_stand_for_the_seeded_noise(self):
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
        save_file({"latents": noise}, self.folder / "noise.safetensors")
        for name, options in {"given": ["--initial-latents", self.folder / "noise.safetensors"], "seeded": ["--seed", 5]}.items():
            self.generate("--prompt", "a fox", *options, "--output", self.folder / f"{name}.png", "--final-latents",
                          self.folder / f"{name}.safetensors")  # fmt: skip
        self.assertEqual(self.hash_of("given.safetensors"), self.hash_of("seeded.safetensors"))

    def test_bf16_is_near_fp32(self):
        latents = {}
        for precision in ("no", "bf16"):
            final = self.folder / f"{precision}.safetensors"
            self.generate("--prompt", "a fox", "--mixed-precision", precision, "--output", self.folder / "x.png", "--final-latents", final)
            latents[precision] = load_file(final)["latents"]
        error = (latents["bf16"] - latents["no"]).norm() / latents["no"].norm()
        self.assertTrue(0 < error < 0.1, error)

    def test_a_long_prompt_is_cut_with_a_warning_that_names_the_loss(self):
        said = self.generate("--prompt", "word " * 76 + "lighthouse", "--output", self.folder / "x.png")
        self.assertIn("lighthouse", said)

    def test_takes_its_options_from_a_file(self):
        config = self.folder / "generate.toml"
        config.write_text('prompt = "a fox, [ink], soft"\nsampler = "ddim"\nkarras-sigmas = false\n')
        self.generate("--config", config, "--output", self.folder / "x.png")
        self.assertIn("a fox, [ink], soft\nSteps: 2, Sampler: DDIM", Image.open(self.folder / "x.png").info["parameters"])

    def test_shows_no_bar_in_a_pipe(self):
        self.assertNotIn("steps/s", self.generate("--prompt", "a fox", "--output", self.folder / "x.png"))

    def test_refuses_options_that_do_not_fit(self):
        picture = self.folder / "x.png"
        prompt = ["--prompt", "a fox", "--output", picture]
        for words, options in {
            "--prompt-file": ["--output", picture],
            "both": [*prompt, "--prompt-file", "p.txt"],
            "a directory": ["--prompt-file", programs.__file__, "--output", picture],
            "FILE.png": ["--prompt", "a fox", "--output", self.folder / "x.jpg"],
            "60 x 64": [*prompt, "--width", 60],
            "0 x 64": [*prompt, "--width", 0],
            "multiples of 8": [*prompt, "--width", 999999992],
            "--sampler": [*prompt, "--sampler", "plms"],
            "dpmpp_2m only": [*prompt, "--sampler", "ddim", "--karras-sigmas"],
            "1 … 999": [*prompt, "--steps", 1001],
            "--steps": [*prompt, "--steps", 0],
            "--guidance-scale": [*prompt, "--guidance-scale", "nan"],
            "--num-images": [*prompt, "--num-images", 0],
            "--seed": [*prompt, "--seed", "-1"],
            "--strength": [*prompt, "--strength", "1.2"],
            "did you mean --guidance-scale": [*prompt, "--guidence-scale", "3"],
            "--model": [*prompt, "--model", self.folder / "nothing"],
        }.items():
            with self.subTest(words):
                self.refused(USAGE, words, *options)

    def test_refuses_files_that_do_not_fit(self):
        prompt = ["--prompt", "a fox", "--output", self.folder / "x.png"]
        bad = self.folder / "bad.bin"
        bad.write_bytes(b"nothing of use")
        wrong = self.folder / "wrong.safetensors"
        save_file({"latents": torch.zeros(2, 4, 8, 8)}, wrong)
        infinite = self.folder / "infinite.safetensors"
        save_file({"latents": torch.full((1, 4, 8, 8), float("inf"))}, infinite)
        checkpoint = self.folder / "checkpoint.safetensors"
        save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2, 2)}, checkpoint)
        lines = self.folder / "lines.txt"
        lines.write_text('a fox\n{"prompt": 3}\n')
        Image.new("RGB", (64, 64)).save(self.folder / "start.png")
        for exit_code, words, options in [
            (BAD_DATA, "bad.bin", [*prompt, "--init-image", bad]),
            (IO, "absent.png", [*prompt, "--init-image", self.folder / "absent.png"]),
            (BAD_DATA, ("wrong.safetensors", "[1, 4, 8, 8]", "[2, 4, 8, 8]"), [*prompt, "--initial-latents", wrong]),
            (BAD_DATA, "not finite", [*prompt, "--initial-latents", infinite]),
            (BAD_DATA, "bad.bin", [*prompt, "--initial-latents", bad]),
            (IO, "absent", [*prompt, "--initial-latents", self.folder / "absent"]),
            (BAD_DATA, ("lines.txt", "line 2"), ["--prompt-file", lines, "--output", self.folder / "pictures"]),
            (IO, "absent.txt", ["--prompt-file", self.folder / "absent.txt", "--output", self.folder / "pictures"]),
            (BAD_DATA, "bad.bin", [*prompt, "--lora", bad]),
            (BAD_DATA, "alien.pt", [*prompt, "--lora", self.write_adapter("alien.pt", path="another.model")]),
            (BAD_DATA, ("not an adapter", "a whole model", "--model"), [*prompt, "--lora", checkpoint]),
            (BAD_DATA, ("another family", "Stable Diffusion XL"), [*prompt, "--lora", self.write_adapter(
                "xl.pt", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", 2048)]),
            (USAGE, "adapter_model.safetensors", [*prompt, "--lora", self.folder]),
            (BAD_DATA, "down_blocks.0", [*prompt, "--lora", self.write_adapter("wide.pt", columns=33)]),
            (IO, "bad.bin", ["--prompt", "a fox", "--output", bad / "x.png"]),
            (USAGE, "raise --strength", [*prompt, "--init-image", self.folder / "start.png", "--strength", 0.3]),
        ]:
            with self.subTest(words):
                self.refused(exit_code, words, *options)

    def test_refuses_ranks_and_a_gpu_that_is_not_there(self):
        prompt = ["--prompt", "a fox", "--output", self.folder / "x.png"]
        result = programs.run("generate", *quickly(*prompt), ranks=2)
        self.assertEqual((result.exit_code, "one process" in result.output), (USAGE, True), result.output)
        if not torch.cuda.is_available():
            result = programs.run("generate", *quickly(*prompt, "--device", "cuda"))
            self.assertEqual(result.exit_code, MISMATCH, result.output)


if __name__ == "__main__":
    unittest.main()
