"""lora_weights.pt in Python: load_state_dict finds every tensor a place, and the UNet says what ours says."""
import pathlib
import sys
import tempfile
import unittest

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs


class LoraLinear(torch.nn.Module):
    """A frozen layer whose parameters lora_A and lora_B have the names that lora_weights.pt uses."""

    def __init__(self, base, rank, scale):
        super().__init__()
        tail = (1, 1) if isinstance(base, torch.nn.Conv2d) else ()
        out_features, in_features = base.weight.shape[:2]
        self.base, self.scale = base, scale
        self.lora_A = torch.nn.Parameter(torch.zeros(rank, in_features, *tail))
        self.lora_B = torch.nn.Parameter(torch.zeros(out_features, rank, *tail))

    def forward(self, x):
        branch = torch.nn.functional.conv2d if isinstance(self.base, torch.nn.Conv2d) else torch.nn.functional.linear
        return self.base(x) + self.scale * branch(branch(x, self.lora_A), self.lora_B)


class AnAdapter(unittest.TestCase):
    def check(self, targets):
        with tempfile.TemporaryDirectory() as directory:
            directory = pathlib.Path(directory)
            result = programs.train(directory / "run", lora_targets=targets, lora_rank=4, lora_alpha=4, learning_rate="1e-2")
            self.assertEqual(result.exit_code, 0, result.output)
            weights = torch.load(directory / "run/lora_weights.pt")
            self.assertIs(type(weights), dict)
            self.assertTrue(all(t.dtype == torch.float32 and not t.requires_grad for t in weights.values()))

            torch.manual_seed(0)
            unet = UNet2DConditionModel.from_pretrained(programs.TINY_MODEL, subfolder="unet")
            inputs = {"unet.sample": torch.randn(2, 4, 8, 8), "unet.timestep": torch.tensor([10, 900]),
                      "unet.encoder_hidden_states": torch.randn(2, 77, unet.config.cross_attention_dim)}
            save_file(inputs, directory / "in.safetensors")
            probe = programs.run("model_probe", "--model", programs.TINY_MODEL, "--inputs", directory / "in.safetensors",
                                 "--outputs", directory / "out.safetensors", "--lora", directory / "run/lora_weights.pt")
            self.assertEqual(probe.exit_code, 0, probe.output)
            self.assertIn(f"{len(weights)} of {len(weights)} tensors", probe.output)

            with torch.no_grad():
                base = unet(*inputs.values()).sample
            for path in {name.rpartition(".")[0] for name in weights}:
                parent, _, leaf = path.rpartition(".")
                module = unet.get_submodule(parent)
                setattr(module, leaf, LoraLinear(getattr(module, leaf), rank=4, scale=1.0))
            unexpected = unet.load_state_dict(weights, strict=False).unexpected_keys
            self.assertEqual(unexpected, [])
            with torch.no_grad():
                reference = unet(*inputs.values()).sample
            ours = load_file(directory / "out.safetensors")["unet.out"]
            error = ((ours - reference).norm() / reference.norm()).item()
            moved = ((base - reference).norm() / base.norm()).item()
            print(f"{targets}: relative error {error:.2e}; the adapter moves the output by {moved:.2e}")
            self.assertLess(error, 1e-5)
            self.assertGreater(moved, 1e-3)

    def test_of_the_attentions_loads_in_python_and_gives_the_same_output(self):
        self.check("attn")

    def test_of_attention_and_feed_forward_loads_in_python_and_gives_the_same_output(self):
        self.check("attn-mlp")


if __name__ == "__main__":
    unittest.main(verbosity=2)
