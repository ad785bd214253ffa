"""Files of Python read by us, and ours by Python: safetensors and torch.save, values bit for bit.

    python_files_test.py BUILD/tests/convert_tensors
"""

import collections
import json
import random
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import safetensors
import safetensors.torch
import torch

CONVERT = sys.argv.pop(1)


def tensors():
    torch.manual_seed(0)
    return {
        "unet.to_q.lora_A": torch.randn(4, 8),
        "unet.to_q.lora_B": torch.randn(8, 4).half(),
        "conv": torch.randn(2, 3, 1, 1).bfloat16(),
        "steps": torch.tensor([-(2**62), 0, 2**62]),
        "small": torch.tensor([-1, 2], dtype=torch.int32),
        "double": torch.randn(3, dtype=torch.float64),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "flags": torch.tensor([True, False]),
        "nan": torch.tensor([float("nan"), float("inf"), -0.0]),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "zählt": torch.ones(1),
    }


class PythonFiles(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def convert(self, source, target):
        done = subprocess.run([CONVERT, self.folder / source, self.folder / target], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.folder / target

    def refusal(self, source):
        done = subprocess.run([CONVERT, self.folder / source, self.folder / "never.pt"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertIn(str(self.folder / source), done.stderr)
        return done.stderr

    def assert_same(self, seen, expected):
        self.assertEqual(set(seen), set(expected))
        for name, tensor in expected.items():
            self.assertEqual((seen[name].dtype, seen[name].shape), (tensor.dtype, tensor.shape), name)
            self.assertTrue(torch.equal(as_bytes(seen[name]), as_bytes(tensor)), name)

    def test_safetensors_of_python_is_read_and_written_again_byte_for_byte(self):
        safetensors.torch.save_file(tensors(), self.folder / "a.safetensors", metadata={"format": "pt"})
        copy = self.convert("a.safetensors", "b.safetensors")
        self.assertEqual(copy.read_bytes(), (self.folder / "a.safetensors").read_bytes())

    def test_metadata_survives(self):
        metadata = {"ss_network_alpha": "1.0", "quote": '"\\\n', "ü": "ß"}
        safetensors.torch.save_file(tensors(), self.folder / "a.safetensors", metadata=metadata)
        with safetensors.safe_open(self.convert("a.safetensors", "b.safetensors"), "pt") as file:
            self.assertEqual(file.metadata(), metadata)
        self.assert_same(safetensors.torch.load_file(self.folder / "b.safetensors"), tensors())

    def test_our_torch_zip_is_a_plain_dict_for_the_default_torch_load(self):
        safetensors.torch.save_file(tensors(), self.folder / "a.safetensors")
        file = self.convert("a.safetensors", "lora_weights.pt")
        for options in ({}, {"mmap": True}, {"weights_only": True}, {"map_location": "cpu"}):
            loaded = torch.load(file, **options)
            self.assertIs(type(loaded), dict)
            self.assert_same(loaded, tensors())
        self.assertFalse(any(tensor.requires_grad for tensor in loaded.values()))
        storages = {tensor.untyped_storage().data_ptr() for tensor in loaded.values() if tensor.numel()}
        self.assertEqual(len(storages), len(loaded) - 1)

    def test_our_torch_zip_loads_into_a_module(self):
        module = torch.nn.ModuleDict({"to_q": torch.nn.Linear(8, 4)})
        weights = {"to_q.weight": torch.randn(4, 8)}
        safetensors.torch.save_file(weights, self.folder / "a.safetensors")
        result = module.load_state_dict(torch.load(self.convert("a.safetensors", "a.pt")), strict=False)
        self.assertEqual((result.missing_keys, result.unexpected_keys), (["to_q.bias"], []))
        self.assertTrue(torch.equal(module["to_q"].weight, weights["to_q.weight"]))

    def test_torch_save_of_a_dict_is_read(self):
        torch.save(tensors(), self.folder / "a.pt")
        self.assert_same(safetensors.torch.load_file(self.convert("a.pt", "a.safetensors")), tensors())

    def test_torch_save_of_a_state_dict_with_parameters_and_views_is_read(self):
        module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
        state = module.state_dict()
        state["transposed"] = module[0].weight.t()
        state["row"] = module[0].weight[1]
        state["parameter"] = torch.nn.Parameter(torch.ones(2))
        self.assertIs(type(state), collections.OrderedDict)
        torch.save(state, self.folder / "a.pt")
        expected = {name: tensor.detach() for name, tensor in state.items()}
        self.assert_same(safetensors.torch.load_file(self.convert("a.pt", "a.safetensors")), expected)

    def test_other_objects_are_refused_by_what_they_are(self):
        class Command:
            def __reduce__(self):
                import os

                return os.mkdir, (str(folder / "was-run"),)

        folder = self.folder
        for name, value, words in [
            ("list", [torch.ones(1), None], "a list"),
            ("nested", {"model": {}, "other": {"w": torch.ones(1)}}, 'a dict under "model"'),
            ("step", {"step": 3}, 'a whole number under "step"'),
            ("loss", {"loss": 0.5}, "a floating-point number"),
            ("command", {"w": Command()}, "posix.mkdir, which was not run"),
            ("sparse", {"w": torch.eye(2).to_sparse()}, "which was not run"),
        ]:
            torch.save(value, self.folder / f"{name}.pt")
            self.assertIn(words, self.refusal(f"{name}.pt"))
        self.assertFalse((self.folder / "was-run").exists())

    def test_whatever_the_reference_refuses_we_refuse(self):
        """Damaged headers: each file that we read, Python's safetensors reads too."""
        values = {"x": torch.arange(6), "y": torch.ones(2, 2), "z": torch.ones(3, dtype=torch.uint8)}
        safetensors.torch.save_file(values, self.folder / "good.safetensors", metadata={"k": "v"})
        good = (self.folder / "good.safetensors").read_bytes()
        header_end = 8 + struct.unpack("<Q", good[:8])[0]
        draw = random.Random(0)
        files = []
        for index in range(1500):
            damaged = bytearray(good)
            for _ in range(draw.randint(1, 2)):
                at = draw.randrange(8, header_end)
                digit_or_any = draw.choice(b"0123456789") if chr(damaged[at]).isdigit() else draw.randrange(256)
                damaged[at] = digit_or_any
            files.append(self.folder / f"damaged-{index}.safetensors")
            files[-1].write_bytes(damaged)
        answers = subprocess.run([CONVERT, "check", *files], capture_output=True, text=True, check=True).stdout.split("\n")
        read = [line.removeprefix("read ") for line in answers if line.startswith("read ")]
        self.assertEqual(len([line for line in answers if line]), len(files))
        self.assertGreater(len(read), 10)
        for file in read:
            safetensors.torch.load_file(file)

    def test_unusual_headers_that_the_reference_reads_we_read(self):
        entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
        for header in (
            {"__metadata__": None, "x": entry},
            {"x": {**entry, "strides": [1, {"of": None}], "more": -0.5}},
            {"n" * 600: entry},
            {"x": {"dtype": "F8_E4M3", "shape": [2, 2], "data_offsets": [0, 4]}},
            {"x": {"dtype": "F8_E5M2", "shape": [4], "data_offsets": [0, 4]}},
        ):
            for space in ("", " \n\t\r"):
                text = (space + json.dumps(header)).encode()
                (self.folder / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"\x00\x01\x20\x40")
                expected = safetensors.torch.load_file(self.folder / "a.safetensors")
                self.assert_same(safetensors.torch.load_file(self.convert("a.safetensors", "b.safetensors")), expected)

    def test_header_json_of_ours_is_plain_and_aligned(self):
        torch.save(tensors(), self.folder / "a.pt")
        data = self.convert("a.pt", "a.safetensors").read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        self.assertEqual(length % 8, 0)
        self.assertEqual(set(json.loads(data[8 : 8 + length])), set(tensors()))


def as_bytes(tensor):
    return torch.frombuffer(bytearray(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()) or bytearray(1), dtype=torch.uint8)


if __name__ == "__main__":
    unittest.main()
