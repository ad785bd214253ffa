"""A model in one file, or by its hub id, is the same model as its directory to every program; other files are refused by name."""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import ldm_layout
import make_model
import programs

PICTURES = programs.TINY_CACHE.with_name(programs.TINY_CACHE.name + "-pictures")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class AModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-model-files-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.directory = make_model.cached(make_model.parse(["--size", "file1", "--cache"]))
        cls.file = cls.folder / "model.safetensors"
        save_file(ldm_layout.to_ldm(cls.directory), cls.file)

    def succeed(self, result):
        self.assertEqual(result.exit_code, 0, result.output)
        return result.output

    def cache_with(self, model, output):
        return self.succeed(programs.run("cache_latents", "--model", model, "--images", PICTURES, "--output", output,
                                         "--img-size", 64, "--cpu-threads", 1))

    def adapter_of(self, model, data, name):
        self.succeed(programs.train(self.folder / name, model=model, data=data, ranks=2, max_steps=3))
        return (self.folder / name / "lora_weights.pt").read_bytes()

    def test_cached_and_trained_either_way_gives_the_same_bytes(self):
        self.cache_with(self.directory, self.folder / "cache-of-directory")
        self.cache_with(self.file, self.folder / "cache-of-file")
        for name in ("manifest.json", "shard-00000.h5", "text.h5"):
            self.assertEqual((self.folder / "cache-of-directory" / name).read_bytes(), (self.folder / "cache-of-file" / name).read_bytes(), name)
        self.assertEqual(self.adapter_of(self.file, self.folder / "cache-of-directory", "run-of-file"),
                         self.adapter_of(self.directory, self.folder / "cache-of-file", "run-of-directory"))
        output = self.cache_with(self.file, self.folder / "cache-of-directory")
        self.assertIn("nothing has changed", output)

    def test_a_run_begun_with_the_directory_goes_on_with_the_file(self):
        self.cache_with(self.directory, self.folder / "cache")
        run = self.folder / "run"
        options = dict(data=self.folder / "cache", max_steps=3, checkpoint_every=1)
        self.succeed(programs.train(run, model=self.directory, **options))
        adapter = (run / "lora_weights.pt").read_bytes()
        shutil.rmtree(run / "checkpoint-step-3")
        (run / "lora_weights.pt").unlink()
        output = self.succeed(programs.train(run, model=self.file, **options))
        self.assertIn("step 2", output)
        self.assertEqual((run / "lora_weights.pt").read_bytes(), adapter)

    def test_is_drawn_with_by_its_hub_id(self):
        hub = self.folder / "hub"
        repository = hub / "models--stable-diffusion-v1-5--stable-diffusion-v1-5"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs/main").write_text(COMMIT)
        blobs = repository / "blobs"
        blobs.mkdir()
        for number, file in enumerate(f for f in sorted(self.directory.rglob("*")) if f.is_file()):
            shutil.copy(file, blobs / str(number))
            link = repository / "snapshots" / COMMIT / file.relative_to(self.directory)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
        programs.ENVIRONMENT["HF_HUB_CACHE"] = str(hub)
        self.addCleanup(programs.ENVIRONMENT.pop, "HF_HUB_CACHE")
        by_id = self.draw("runwayml/stable-diffusion-v1-5", "by-id")
        self.assertTrue(torch.equal(by_id, self.draw(self.directory, "by-directory")))
        self.assertTrue(torch.equal(by_id, self.draw(repository, "by-repository")))
        self.assertTrue(torch.equal(by_id, self.draw(self.file, "by-file")))
        result = programs.run("generate", "--model", "nobody/nothing", "--prompt", "x", "--output", self.folder / "x.png")
        self.assertEqual(result.exit_code, programs.USAGE, result.output)
        self.assertIn("hf download nobody/nothing", result.output)

    def draw(self, model, name):
        latents = self.folder / f"{name}.safetensors"
        self.succeed(programs.run("generate", "--model", model, "--prompt", "a red circle!", "--steps", 2, "--width", 64, "--height", 64,
                                  "--output", self.folder / f"{name}.png", "--final-latents", latents, "--cpu-threads", 1))
        return load_file(latents)["latents"]


# What people give in place of a model: the tensors of the file, words of the message.
OTHERS = {
    "SDXL": ({"model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3], "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [640, 2048]}, "SDXL"),
    "inpainting": ({"model.diffusion_model.input_blocks.0.0.weight": [320, 9, 3, 3], "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [320, 768]}, "inpainting"),
    "LoRA": ({"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": [4, 320, 1, 1]}, "--lora of generate"),
    "VAE": ({"decoder.conv_in.weight": [512, 4, 3, 3], "encoder.conv_in.weight": [128, 3, 3, 3]}, "--vae"),
    "embedding": ({"emb_params": [2, 768]}, "embedding"),
}


class AnotherFile(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-other-files-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def refusal_of(self, model, exit_code):
        commands = {
            "generate": ["--prompt", "x", "--output", self.folder / "x.png"],
            "cache_latents": ["--images", PICTURES, "--output", self.folder / "cache"],
            "trainer": ["--data", programs.TINY_CACHE, "--output", self.folder / "run"],
        }
        outputs = []
        for program, options in commands.items():
            result = programs.run(program, "--model", model, *options)
            self.assertEqual(result.exit_code, exit_code, f"{program} {model}:\n{result.output}")
            self.assertEqual(result.output.count("  do:  "), 1, result.output)
            outputs.append(result.output)
        return "\n".join(outputs)

    def test_is_refused_by_its_name(self):
        for name, (tensors, words) in OTHERS.items():
            file = self.folder / f"{name}.safetensors"
            save_file({key: torch.zeros(shape) for key, shape in tensors.items()}, file)
            with self.subTest(name):
                self.assertIn(words, self.refusal_of(file, programs.BAD_DATA))

    def test_that_is_no_file_of_tensors_is_refused(self):
        texts = {
            "pointer.safetensors": "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 3438167534\n",
            "page.safetensors": "<!DOCTYPE html><html><body>Not found</body></html>",
            "error.ckpt": '{"error": "Access to model is restricted"}',
            "empty.safetensors": "",
        }
        for name, text in texts.items():
            (self.folder / name).write_text(text)
            with self.subTest(name):
                self.assertIn(name, self.refusal_of(self.folder / name, programs.BAD_DATA))

    def test_that_is_not_there_is_said_to_be_sought_as_what(self):
        self.assertIn("checkpoint file", self.refusal_of(self.folder / "nothing.safetensors", programs.USAGE))
        folder = self.folder / "webui"
        folder.mkdir()
        (folder / "dreamshaper.safetensors").write_bytes(b"x")
        self.assertIn("dreamshaper.safetensors", self.refusal_of(folder, programs.USAGE))


if __name__ == "__main__":
    unittest.main()
