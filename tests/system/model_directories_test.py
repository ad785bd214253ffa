"""Models in diffusers' layout as people have them: what is sound is drawn and trained on, what is broken is refused with its name,
with the same exit code by every program, before long work begins; and no picture that is not finite is written."""
import json
import math
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
from programs import BAD_DATA, DIVERGED, USAGE

UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"
QUICK = ["--width", 64, "--height", 64, "--steps", 2, "--cpu-threads", 1, "--device", "cpu"]
ZERO_SNR = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}


class ADirectory(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.model = self.new_model()

    def new_model(self):
        """Links to the small model's files, so that a copy costs nothing; what is edited becomes a file of its own."""
        model = self.folder / f"model-{len(list(self.folder.iterdir()))}"
        shutil.copytree(programs.TINY_MODEL.resolve(), model, copy_function=os.symlink)
        return model

    def edit_config(self, file, **changes):
        path = self.model / file
        config = json.loads(path.read_text())
        path.unlink()
        path.write_text(json.dumps({**config, **changes}))

    def edit_weights(self, file, change):
        tensors = load_file(self.model / file)
        change(tensors)
        (self.model / file).unlink()
        save_file(tensors, self.model / file)

    def scheduler(self, **changes):
        self.model = self.new_model()
        self.edit_config("scheduler/scheduler_config.json", **changes)

    def run_generate(self, *options, prompt="a red circle"):
        options = [*QUICK, "--model", self.model, "--prompt", prompt, "--output", self.folder / "o.png", *options]
        return programs.run("generate", *options)

    def run_trainer(self, *options):
        return programs.run("trainer", *programs.train_options(self.folder / "run", model=self.model), "--dry-run", *options)

    def run_cache(self, caption="a red circle"):
        images = self.folder / "images"
        images.mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (200, 30, 30)).save(images / "red.png")
        (images / "red.txt").write_text(caption)
        output = self.folder / "cache"
        shutil.rmtree(output, ignore_errors=True)
        return programs.run("cache_latents", "--model", self.model, "--images", images, "--output", output, "--img-size", 64, "--device", "cpu")

    def draws(self, *options, **keywords):
        result = self.run_generate(*options, **keywords)
        self.assertEqual(result.exit_code, 0, result.output)
        darkest, brightest = Image.open(self.folder / "o.png").convert("L").getextrema()
        self.assertLess(darkest, brightest, "a picture with something in it")
        (self.folder / "o.png").unlink()
        return result.output

    def trains(self, *options):
        result = self.run_trainer(*options)
        self.assertEqual(result.exit_code, 0, result.output)
        return result.output

    def is_refused(self, result, exit_code, *words):
        self.assertEqual(result.exit_code, exit_code, result.output)
        for word in words:
            self.assertIn(str(word), result.output)
        self.assertEqual(result.output.count("  do:  "), 1, "one message, with advice:\n" + result.output)
        self.assertFalse((self.folder / "o.png").exists())


class ASchedulerFile(ADirectory):
    def test_that_diffusers_writes_is_taken_whatever_it_says_beside(self):
        self.scheduler(_class_name="DPMSolverMultistepScheduler", lambda_min_clipped=-math.inf, variance_type=None, euler_at_final=False)
        self.assertIn("-Infinity", (self.model / "scheduler/scheduler_config.json").read_text())
        for sampler in ("dpmpp_2m", "ddim", "euler_a"):
            self.draws("--sampler", sampler)
        self.trains()
        self.scheduler(_class_name="DDPMScheduler", variance_type="fixed_small")
        self.draws()
        prompts = self.folder / "prompts.txt"
        prompts.write_text("a red circle\n")
        self.trains("--preview-every", 1, "--preview-prompts", prompts, "--preview-size", 64)

    def test_with_other_betas_is_honoured(self):
        for changes in ({"beta_schedule": "squaredcos_cap_v2"}, {"trained_betas": [0.01] * 1000}):
            with self.subTest(next(iter(changes))):
                self.scheduler(**changes)
                self.draws()
                self.trains()

    def test_with_a_zero_terminal_snr_is_honoured_with_velocity_and_refused_with_epsilon(self):
        self.scheduler(**ZERO_SNR)
        for sampler in ("dpmpp_2m", "ddim", "euler_a"):
            self.draws("--sampler", sampler)
        self.assertIn("predicts velocity (scheduler file), zero terminal SNR on (scheduler file)", self.trains())
        self.scheduler(rescale_betas_zero_snr=True)
        for result in (self.run_generate(), self.run_trainer()):
            self.is_refused(result, BAD_DATA, "nothing of the picture is left", "--prediction-type v_prediction")
        self.draws("--zero-terminal-snr", "off")
        self.draws("--prediction-type", "v_prediction")

    def test_is_overridden_by_the_options(self):
        options = ["--prediction-type", "v_prediction", "--zero-terminal-snr", "on"]
        self.draws(*options)
        self.assertIn("predicts velocity (--prediction-type), zero terminal SNR on (--zero-terminal-snr)", self.trains(*options))
        self.is_refused(self.run_generate("--zero-terminal-snr", "on"), USAGE, "--zero-terminal-snr off")

    def test_that_one_sampler_cannot_honour_names_those_that_can(self):
        for changes in ({"solver_order": 3}, {"use_exponential_sigmas": True}, {"algorithm_type": "sde-dpmsolver++"}):
            with self.subTest(next(iter(changes))):
                self.scheduler(**changes)
                self.is_refused(self.run_generate(), BAD_DATA, next(iter(changes)), "--sampler ddim")
                self.draws("--sampler", "ddim")
                self.trains()

    def test_is_shown_in_part_where_it_is_long(self):
        self.scheduler(trained_betas=[0.0123456789] * 900)
        result = self.run_generate()
        self.is_refused(result, BAD_DATA, "trained_betas", "900 values")
        self.assertLess(len(result.output), 1000)

    def test_of_flow_matching_is_another_familys(self):
        self.scheduler(_class_name="FlowMatchEulerDiscreteScheduler", shift=3.0)
        for result in (self.run_generate(), self.run_trainer()):
            self.is_refused(result, BAD_DATA, "FlowMatchEulerDiscreteScheduler", "Stable Diffusion 3")


class AUNet(ADirectory):
    def without_a_middle(self, tensors):
        for name in [name for name in tensors if name.startswith("mid_block")]:
            del tensors[name]

    def test_without_a_middle_block_is_one_where_its_config_says_so(self):
        self.edit_weights(UNET, self.without_a_middle)
        self.is_refused(self.run_generate(), BAD_DATA, "missing", "mid_block")
        self.edit_config("unet/config.json", mid_block_type=None)
        self.draws()
        self.trains()

    def test_of_a_latent_consistency_model_is_taken_and_called_so(self):
        self.edit_config("unet/config.json", time_cond_proj_dim=16)
        self.is_refused(self.run_generate(), BAD_DATA, "missing", "time_embedding.cond_proj.weight")
        self.edit_weights(UNET, lambda tensors: tensors.update({"time_embedding.cond_proj.weight": torch.randn(32, 16)}))
        self.assertIn("LCM", self.draws("--guidance-scale", 8))
        self.assertIn("LCM", self.trains())


class ATextEncoder(ADirectory):
    def test_with_more_of_clip_beside_it_is_taken(self):
        more = {"text_projection.weight": torch.zeros(64, 64), "logit_scale": torch.zeros(()), "visual_projection.weight": torch.zeros(64, 8),
                "vision_model.embeddings.position_ids": torch.arange(50)[None], "vision_model.x.weight": torch.zeros(3)}
        self.edit_weights(TEXT, lambda tensors: tensors.update(more))
        self.draws()
        result = self.run_cache()
        self.assertEqual(result.exit_code, 0, result.output)

    def test_that_does_not_fit_is_refused_before_any_picture_is_encoded(self):
        self.edit_weights(TEXT, lambda tensors: tensors.update({"unknown.weight": torch.zeros(3)}))
        self.is_refused(self.run_generate(), BAD_DATA, "unknown.weight")
        self.is_refused(self.run_cache(), BAD_DATA, "unknown.weight")
        self.assertEqual(list((self.folder / "cache").glob("*.h5")), [])

    def test_cuts_a_longer_tokenizer_with_both_numbers(self):
        self.edit_config("tokenizer/tokenizer_config.json", model_max_length=225)
        for output in (self.draws(), self.run_cache().output):
            self.assertEqual(output.count("225 tokens"), 1, output)
            self.assertIn("takes 77", output)
        self.assertEqual(self.run_cache().exit_code, 0)

    def test_without_the_row_of_an_added_word_refuses_prompts_with_the_word_alone(self):
        tokenizer = self.model / "tokenizer"
        rows = next(t.shape[0] for name, t in load_file(self.model / TEXT).items() if name.endswith("token_embedding.weight"))
        (tokenizer / "added_tokens.json").write_text(json.dumps({"<my-thing>": rows}))
        self.draws()
        self.is_refused(self.run_generate(prompt="a <my-thing>"), BAD_DATA, "<my-thing>", "no embedding")
        self.is_refused(self.run_cache(caption="a <my-thing>"), BAD_DATA, "<my-thing>", "no embedding")

    def test_has_merges_with_a_byte_order_mark(self):
        merges = self.model / "tokenizer/merges.txt"
        content = merges.read_bytes()
        merges.unlink()
        merges.write_bytes(b"\xef\xbb\xbf" + content)
        self.draws()


class BrokenWeights(ADirectory):
    def test_are_refused_by_every_program_with_tensor_and_file(self):
        def set_first(name, value):
            def change(tensors):
                tensors[name].view(-1)[0] = value
            return change

        text_name = next(name for name in load_file(programs.TINY_MODEL / TEXT) if name.endswith("final_layer_norm.bias"))
        cases = [(UNET, "conv_in.bias", math.nan, ("generate", "trainer", "model_probe")),
                 (VAE, "decoder.conv_in.weight", math.inf, ("generate", "cache_latents", "model_probe")),
                 (TEXT, text_name, -math.inf, ("generate", "cache_latents", "model_probe"))]
        inputs = self.folder / "inputs.safetensors"
        save_file({"unet.sample": torch.zeros(1, 4, 8, 8), "unet.timestep": torch.tensor([5]), "unet.encoder_hidden_states": torch.zeros(1, 77, 64),
                   "vae.latents": torch.zeros(1, 4, 8, 8), "text.input_ids": torch.zeros(1, 77, dtype=torch.long)}, inputs)
        for file, name, value, which in cases:
            self.model = self.new_model()
            self.edit_weights(file, set_first(name, value))
            for program in which:
                with self.subTest(f"{program} with {value} in {name}"):
                    result = {"generate": self.run_generate, "trainer": self.run_trainer, "cache_latents": self.run_cache,
                              "model_probe": lambda: programs.run("model_probe", "--model", self.model, "--inputs", inputs, "--outputs", self.folder / "out")}[program]()
                    self.is_refused(result, BAD_DATA, f"{name}: 1 of ", self.model / file)

    def test_of_integers_are_called_quantised(self):
        self.edit_weights(UNET, lambda tensors: tensors.update({"conv_in.weight": tensors["conv_in.weight"].to(torch.int8)}))
        for result in (self.run_generate(), self.run_trainer()):
            self.is_refused(result, BAD_DATA, "quantised", "conv_in.weight")

    def test_never_become_a_black_picture(self):
        path = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
        adapter = self.folder / "adapter.pt"
        torch.save({f"{path}.lora_A": torch.randn(4, 32), f"{path}.lora_B": torch.randn(32, 4)}, adapter)
        self.is_refused(self.run_generate("--lora", adapter, "--lora-scale", "1e38"), DIVERGED, "not finite", "--lora-scale")


class WhatIsMissing(ADirectory):
    def test_has_the_same_exit_code_in_every_program(self):
        for gone in ("vae", "text_encoder", "tokenizer"):
            self.model = self.new_model()
            shutil.rmtree(self.model / gone)
            for result in (self.run_generate(), self.run_cache()):
                self.is_refused(result, USAGE, f"the model directory has no {gone}")
        for gone, word in (("unet", "no unet"), ("scheduler", "no scheduler"), ("unet/config.json", "no unet/config.json"),
                           ("scheduler/scheduler_config.json", "no scheduler/scheduler_config.json")):
            self.model = self.new_model()
            shutil.rmtree(self.model / gone) if (self.model / gone).is_dir() else (self.model / gone).unlink()
            for result in (self.run_generate(), self.run_trainer()):
                self.is_refused(result, USAGE, f"the model directory has {word}")
        self.model = self.folder / "empty"
        self.model.mkdir()
        for result in (self.run_generate(), self.run_trainer(), self.run_cache()):
            self.is_refused(result, USAGE, "the model directory has no ")

    def test_is_not_looked_for_elsewhere(self):
        (self.model / UNET).unlink()
        for name in ("../vae/diffusion_pytorch_model.safetensors", str(programs.TINY_MODEL.resolve() / UNET)):
            (self.model / f"{UNET}.index.json").write_text(json.dumps({"weight_map": {"conv_in.weight": name}}))
            for result in (self.run_generate(), self.run_trainer()):
                self.is_refused(result, BAD_DATA, "names a file elsewhere", name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
