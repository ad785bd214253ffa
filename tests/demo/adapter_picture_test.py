"""An adapter trained by trainer draws the same picture in Python (diffusers, A and B added to the UNet) as in generate."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import torch
from demo_world import DEMO, DRAWING, MODEL
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import save_file

import programs  # found through demo_world

PROMPTS = ["a large red star on sand", "a small blue ring on lilac", "a large white cross on night", "a small pink circle on grass"]


def add_adapter(unet, weights, scale):
    """y = W x + scale B A x, merged into W."""
    for path in {name.rpartition(".")[0] for name in weights}:
        base = unet.get_submodule(path).weight
        branch = weights[path + ".lora_B"].flatten(1) @ weights[path + ".lora_A"].flatten(1)
        base.data += scale * branch.view_as(base)


class AnAdapter(unittest.TestCase):
    def test_draws_the_same_picture_in_python(self):
        with tempfile.TemporaryDirectory() as directory:
            directory = pathlib.Path(directory)
            subprocess.run([sys.executable, DEMO / "draw.py", "--style", "ink", "--count", "64", "--seed", "3", "--out",
                            directory / "ink"], check=True)
            cached = programs.run("cache_latents", "--model", MODEL, "--images", directory / "ink", "--output", directory / "cache",
                                  "--img-size", 96)
            self.assertEqual(cached.exit_code, 0, cached.output)
            trained = programs.train(directory / "run", model=MODEL, data=directory / "cache", max_steps=40, warmup_steps=4,
                                     lora_alpha=16, lora_targets="attn-mlp", timeout_seconds=400)
            self.assertEqual(trained.exit_code, 0, trained.output)
            noise = torch.randn(len(PROMPTS), 4, 12, 12, generator=torch.Generator().manual_seed(0))
            save_file({"latents": noise}, directory / "noise.safetensors")
            (directory / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
            adapter = directory / "run/lora_weights.pt"
            drawn = programs.run("generate", *DRAWING, "--lora", adapter, "--prompt-file", directory / "prompts.txt",
                                 "--initial-latents", directory / "noise.safetensors", "--output", directory / "pictures")
            self.assertEqual(drawn.exit_code, 0, drawn.output)
            ours = np.stack([np.asarray(Image.open(p)) for p in sorted((directory / "pictures").glob("*.png"))]).astype(np.float32)

            pipeline = StableDiffusionPipeline.from_pretrained(MODEL, torch_dtype=torch.float32)
            pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
            pipeline.set_progress_bar_config(disable=True)

            def reference():
                images = pipeline(PROMPTS, latents=noise, num_inference_steps=20, guidance_scale=3.0).images
                return np.stack([np.asarray(image) for image in images]).astype(np.float32)

            base = reference()
            add_adapter(pipeline.unet, torch.load(adapter), scale=1.0)
            same = np.abs(ours - reference()).mean()
            moved = np.abs(ours - base).mean()
            print(f"mean absolute difference: {same:.4f} of 255; the adapter moves the pictures by {moved:.1f}")
            self.assertLess(same, 1)
            self.assertGreater(moved, 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
