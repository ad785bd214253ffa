"""lora_weights.pt in Python: load_state_dict finds every tensor a place, and UNet and text encoder say what ours say."""
import json
import pathlib
import sys
import tempfile
import unittest

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs


class LoraLayer(torch.nn.Module):
    """A frozen layer whose parameters lora_A, lora_B and DoRA's magnitude have the names that lora_weights.pt uses."""

    def __init__(self, base, a, b, alpha, magnitude):
        super().__init__()
        self.base, self.scale = base, alpha / a.shape[0]
        self.lora_A, self.lora_B = torch.nn.Parameter(torch.zeros_like(a)), torch.nn.Parameter(torch.zeros_like(b))
        if magnitude is not None:
            self.lora_magnitude_vector = torch.nn.Parameter(torch.zeros_like(magnitude))

    def forward(self, x):
        if hasattr(self, "lora_magnitude_vector"):
            weight = self.base.weight + self.scale * (self.lora_B.flatten(1) @ self.lora_A.flatten(1)).view(self.base.weight.shape)
            gain = self.lora_magnitude_vector / weight.flatten(1).norm(dim=1)
            return torch.func.functional_call(self.base, {"weight": weight * gain.view(-1, *[1] * (weight.dim() - 1))}, (x,))
        if isinstance(self.base, torch.nn.Conv2d):
            inner = torch.nn.functional.conv2d(x, self.lora_A, stride=self.base.stride, padding=self.base.padding)
            return self.base(x) + self.scale * torch.nn.functional.conv2d(inner, self.lora_B)
        return self.base(x) + self.scale * (x @ self.lora_A.T @ self.lora_B.T)


def put_in(model, weights, description):
    """load_state_dict of all that has a place in `model`."""
    for path in {name.rpartition(".")[0] for name in weights}:
        parent, _, leaf = path.rpartition(".")
        module = model.get_submodule(parent)
        alpha = description.get("other_alphas", {}).get(path, description["alpha"])
        setattr(module, leaf, LoraLayer(getattr(module, leaf), weights[path + ".lora_A"], weights[path + ".lora_B"], alpha,
                                        weights.get(path + ".lora_magnitude_vector")))
    return model.load_state_dict(weights, strict=False).unexpected_keys


class AnAdapter(unittest.TestCase):
    def check(self, targets, **options):
        with tempfile.TemporaryDirectory() as directory:
            directory = pathlib.Path(directory)
            result = programs.train(directory / "run", lora_targets=targets, lora_rank=4, lora_alpha=4, learning_rate="1e-2", **options)
            self.assertEqual(result.exit_code, 0, result.output)
            weights = torch.load(directory / "run/lora_weights.pt")
            self.assertIs(type(weights), dict)
            self.assertTrue(all(t.dtype == torch.float32 and not t.requires_grad for t in weights.values()))

            torch.manual_seed(0)
            unet = UNet2DConditionModel.from_pretrained(programs.TINY_MODEL, subfolder="unet")
            inputs = {"unet.sample": torch.randn(2, 4, 8, 8), "unet.timestep": torch.tensor([10, 900]),
                      "unet.encoder_hidden_states": torch.randn(2, 77, unet.config.cross_attention_dim)}
            text_encoder = CLIPTextModel.from_pretrained(programs.TINY_MODEL, subfolder="text_encoder")
            ids = torch.randint(0, 1000, (2, 77))
            save_file(inputs | {"text.input_ids": ids}, directory / "in.safetensors")
            probe = programs.run("model_probe", "--model", programs.TINY_MODEL, "--inputs", directory / "in.safetensors",
                                 "--outputs", directory / "out.safetensors", "--lora", directory / "run/lora_weights.pt")
            self.assertEqual(probe.exit_code, 0, probe.output)
            self.assertIn(f"{len(weights)} of {len(weights)} tensors", probe.output)

            with torch.no_grad():
                base = unet(*inputs.values()).sample
                base_text = text_encoder(ids).last_hidden_state
            description = json.loads((directory / "run/lora_weights.json").read_text())
            of_text = {name: tensor for name, tensor in weights.items() if name.startswith("text_model.")}
            self.assertEqual(put_in(unet, {name: tensor for name, tensor in weights.items() if name not in of_text}, description), [])
            without_prefix = not hasattr(text_encoder, "text_model")  # transformers 5
            cut = (lambda name: name.removeprefix("text_model.")) if without_prefix else (lambda name: name)
            description["other_alphas"] = {cut(path): alpha for path, alpha in description.get("other_alphas", {}).items()}
            self.assertEqual(put_in(text_encoder, {cut(name): tensor for name, tensor in of_text.items()}, description), [])
            with torch.no_grad():
                reference = unet(*inputs.values()).sample
                reference_text = text_encoder(ids).last_hidden_state
            ours = load_file(directory / "out.safetensors")
            self.compare(f"{targets}, UNet", ours["unet.out"], reference, base)
            if of_text:
                self.compare(f"{targets}, text encoder", ours["text.hidden"], reference_text, base_text)

            pipeline = self.loaded_by_diffusers(directory)
            with torch.no_grad():
                self.compare(f"{targets}, UNet, by diffusers", ours["unet.out"], pipeline.unet(*inputs.values()).sample, base)
                if of_text:
                    self.compare(f"{targets}, text encoder, by diffusers", ours["text.hidden"], pipeline.text_encoder(ids).last_hidden_state, base_text)

    def loaded_by_diffusers(self, directory):
        """What users do with adapter convert's file."""
        converted = programs.run("adapter", "convert", directory / "run/lora_weights.pt", "--output", directory / "style.safetensors", "--format",
                                 "diffusers")
        self.assertEqual(converted.exit_code, 0, converted.output)
        self.assertNotIn("0 modules of the UNet", converted.output)
        parts = {name: None for name in ("vae", "tokenizer", "scheduler", "safety_checker", "feature_extractor")}
        pipeline = StableDiffusionPipeline(unet=UNet2DConditionModel.from_pretrained(programs.TINY_MODEL, subfolder="unet"),
                                           text_encoder=CLIPTextModel.from_pretrained(programs.TINY_MODEL, subfolder="text_encoder"),
                                           **parts, requires_safety_checker=False)
        pipeline.load_lora_weights(directory, weight_name="style.safetensors")
        return pipeline

    def compare(self, what, ours, reference, base):
        error = ((ours - reference).norm() / reference.norm()).item()
        moved = ((base - reference).norm() / base.norm()).item()
        print(f"{what}: relative error {error:.2e}; the adapter moves the output by {moved:.2e}")
        self.assertLess(error, 1e-5)
        self.assertGreater(moved, 1e-3)

    def test_of_the_attentions_loads_in_python_and_gives_the_same_output(self):
        self.check("attn")

    def test_of_attention_and_feed_forward_loads_in_python_and_gives_the_same_output(self):
        self.check("attn-mlp")

    def test_of_convolutions_and_the_text_encoder_loads_in_python_and_gives_the_same_output(self):
        self.check("full", train_text_encoder=None, lora_conv_rank=2, lora_conv_alpha=3, lora_rank_pattern="attn1|fc1=3:5")

    def test_of_dora_loads_in_python_and_gives_the_same_output(self):
        self.check("full", lora_kind="dora", train_text_encoder=None)


if __name__ == "__main__":
    unittest.main(verbosity=2)
