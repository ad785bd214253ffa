"""Checkpoints as people's programs write them, read by us as models are: by content, mapped, values bit for bit as torch.load's.

    python_checkpoints_test.py BUILD/tests/convert_tensors
"""

import collections
import io
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import types
import unittest
import zipfile
import zlib
from pathlib import Path

import numpy
import safetensors.torch
import torch

CONVERT = sys.argv.pop(1)


def weights():
    torch.manual_seed(0)
    shared = torch.randn(64)
    return {
        "model.diffusion_model.weight": torch.randn(8, 4),
        "model.diffusion_model.half": torch.randn(3, 5).half(),
        "bf16": torch.randn(7).bfloat16(),
        "position_ids": torch.arange(77).expand(1, -1),
        "alphas": torch.randn(10, dtype=torch.float64),
        "num_updates": torch.tensor(3, dtype=torch.int32),
        "flags": torch.tensor([True, False]),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "v_pred": torch.empty(0),
        "transposed": torch.randn(4, 6).t(),
        "first half": shared[:32],
        "second half": shared[32:].view(4, 8).t(),
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "zählt": torch.ones(1),
    }


def a_class(module, name, **members):
    """A class that pickles under a name of our choice, as if it lived there."""
    made = type(name, (), {"__module__": module, **members})
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
    setattr(sys.modules[module], name, made)
    return made


def lightning(state_dict):
    """The dictionary of sd-v1-4.ckpt, with the class itself as a key."""
    callback = a_class("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    config = a_class("omegaconf.dictconfig", "DictConfig")()
    config.content = {"a": [1, 2.5, None]}
    return {
        "epoch": 6,
        "global_step": 470000,
        "pytorch-lightning_version": "1.4.2",
        "state_dict": collections.OrderedDict(state_dict),
        "callbacks": {callback: {"monitor": "val/loss", "best_model_score": numpy.float64(0.5), "current_score": torch.tensor(0.25),
                                 "best_model_path": b"x", "kept": {1, 2}, "frozen": frozenset([3]), "dtype": torch.float16}},
        "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999)}]}],
        "lr_schedulers": [],
        "hyper_parameters": config,
        "numpy": numpy.arange(3),
        "big": 2**100,
        "path": Path("x/y"),
    }


class PythonCheckpoints(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_convert(self, *arguments):
        return subprocess.run([CONVERT, *map(str, arguments)], capture_output=True, text=True)

    def opened(self, name):
        done = self.run_convert("open", self.folder / name, self.folder / "out.safetensors")
        self.assertEqual(done.returncode, 0, done.stderr)
        return safetensors.torch.load_file(self.folder / "out.safetensors")

    def refusal(self, name):
        done = self.run_convert("open", self.folder / name, self.folder / "never.safetensors")
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertIn(str(self.folder / name), done.stderr)
        return done.stderr

    def assert_same(self, seen, expected):
        self.assertEqual(set(seen), set(expected))
        for name, tensor in expected.items():
            self.assertEqual((seen[name].dtype, seen[name].shape), (tensor.dtype, tensor.shape), name)
            self.assertTrue(torch.equal(bits(seen[name]), bits(tensor)), name)

    def test_a_dict_of_every_kind_of_tensor(self):
        torch.save(weights(), self.folder / "a.ckpt")
        self.assert_same(self.opened("a.ckpt"), weights())

    def test_a_list_of_tensors_by_their_numbers(self):
        values = [torch.randn(4, 3), torch.randn(2).half()]
        torch.save(values, self.folder / "a.pt")
        self.assert_same(self.opened("a.pt"), {"0": values[0], "1": values[1]})

    def test_an_adapter_reader_gives_the_same(self):
        for name, options in (("new.pt", {}), ("old.pt", {"_use_new_zipfile_serialization": False})):
            torch.save({"state_dict": weights(), "epoch": 3}, self.folder / name, **options)
            done = self.run_convert(self.folder / name, self.folder / "out.safetensors")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_same(safetensors.torch.load_file(self.folder / "out.safetensors"), weights())

    def test_every_protocol_new_and_legacy(self):
        for protocol, is_zip in ((2, True), (3, True), (4, True), (5, True), (2, False), (5, False)):
            with self.subTest(protocol=protocol, is_zip=is_zip):
                torch.save(lightning(weights()), self.folder / "a.ckpt", pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
                self.assert_same(self.opened("a.ckpt"), weights())

    def test_floats_of_8_bits(self):
        values = {"e4m3": torch.randn(4, 4).to(torch.float8_e4m3fn), "e5m2": torch.randn(5).to(torch.float8_e5m2), "x": torch.ones(2)}
        torch.save(values, self.folder / "a.pt")
        self.assert_same(self.opened("a.pt"), values)
        safetensors.torch.save_file(values, self.folder / "b.safetensors")
        self.assert_same(self.opened("b.safetensors"), values)

    def test_types_that_are_not_read_are_in_nobodys_way(self):
        torch.save({"w": torch.ones(2), "z": torch.ones(2, dtype=torch.complex64), "u": torch.ones(2, dtype=torch.uint16),
                    "q": torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8), "s": torch.eye(2).to_sparse()}, self.folder / "a.pt")
        done = self.run_convert("describe", self.folder / "a.pt")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("w Float [2]", done.stdout)
        for name in "zuqs":
            self.assertIn(f"{name} UNKNOWN_SCALAR []", done.stdout)
        self.assertIn("which was not run", self.refusal("a.pt"))

    def test_a_parameter_dict_and_tensors_with_attributes(self):
        torch.save(torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.ones(3))}), self.folder / "a.pt")
        self.assert_same(self.opened("a.pt"), {"*": torch.ones(3)})
        marked, parameter = torch.ones(2), torch.nn.Parameter(torch.zeros(2))
        marked.origin, parameter.origin = "here", "there"
        torch.save({"t": marked, "p": parameter}, self.folder / "a.pt")
        self.assert_same(self.opened("a.pt"), {"t": marked, "p": parameter})

    def test_checksums_that_torch_was_told_not_to_compute(self):
        torch.serialization.set_crc32_options(False)
        try:
            torch.save(weights(), self.folder / "a.ckpt")
        finally:
            torch.serialization.set_crc32_options(True)
        self.assert_same(self.opened("a.ckpt"), weights())

    def test_archives_that_were_packed_again(self):
        buffer = io.BytesIO()
        torch.save(weights(), buffer)
        for method, folder in ((zipfile.ZIP_STORED, "some folder"), (zipfile.ZIP_DEFLATED, "archive")):
            with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(self.folder / "a.ckpt", "w", method) as target:
                for name in source.namelist():
                    target.writestr(name.replace("archive", folder, 1), source.read(name))
            if method == zipfile.ZIP_STORED:
                self.assert_same(self.opened("a.ckpt"), weights())
            else:
                self.assertIn("compressed", self.refusal("a.ckpt"))

    def test_dangerous_files_are_refused_and_nothing_is_run(self):
        mark = self.folder / "was-run"

        class Run:
            def __reduce__(self):
                return os.system, (f"touch {mark}",)

        class Attribute:
            def __reduce__(self):
                return collections.Counter, ([getattr],)

        class Evaluate:
            def __reduce__(self):
                return eval, (f"open({str(mark)!r}, 'w')",)

        for value, words in ((Run(), "posix.system"), (Attribute(), "getattr"), (Evaluate(), "eval")):
            for protocol, is_zip in ((2, True), (4, False)):
                torch.save({"state_dict": weights(), "callbacks": [value]}, self.folder / "a.ckpt", pickle_protocol=protocol,
                           _use_new_zipfile_serialization=is_zip)
                self.assertIn(words, self.refusal("a.ckpt"))
        self.assertFalse(mark.exists())

    def test_what_is_no_dict_of_tensors_is_named(self):
        for value, words in (
            (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear, which was not run"),
            ([torch.ones(1), 3], "a list"),
            ({"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(1, 768)}, "name": "x", "step": 3}, "textual inversion"),
            ({"a": 1, "b": None}, 'a whole number under "a", None under "b"'),
        ):
            torch.save(value, self.folder / "a.pt")
            self.assertIn(words, self.refusal("a.pt"))
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), self.folder / "a.pt")
        self.assertIn("TorchScript", self.refusal("a.pt"))
        (self.folder / "a.pt").write_bytes(pickle.dumps({"w": torch.ones(2)}))
        self.assertIn("a Python pickle", self.refusal("a.pt"))
        numpy.savez(self.folder / "a.npz", w=numpy.ones(2))
        self.assertIn("numpy", self.refusal("a.npz"))

    def test_files_that_were_cut_off_anywhere(self):
        for is_zip in (True, False):
            torch.save({"w": torch.randn(50), "v": torch.randn(9)}, self.folder / "good", _use_new_zipfile_serialization=is_zip)
            good = (self.folder / "good").read_bytes()
            cut = [self.folder / f"cut-{is_zip}-{size}" for size in range(0, len(good), 17)]
            for file, size in zip(cut, range(0, len(good), 17)):
                file.write_bytes(good[:size])
            done = self.run_convert("check-content", *cut)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout.split("\n")[:-1], [f"refused {file}" for file in cut])

    def test_bytes_beyond_32_bits_as_torch_reads_them(self):
        file = self.folder / "a.ckpt"
        buffer = io.BytesIO()
        torch.save({"w": torch.arange(6.0)}, buffer)
        with zipfile.ZipFile(buffer) as source:
            records = [(name, source.read(name)) for name in source.namelist() if "serialization_id" not in name]
        write_sparse_zip(file, [("archive/data/hole", 9 << 29)] + records)
        self.assertGreater(file.stat().st_size, 4 << 30)
        self.assertLess(file.stat().st_blocks * 512, 1 << 20)
        self.assert_same(self.opened("a.ckpt"), torch.load(file, mmap=True))


def write_sparse_zip(file, records):
    """Stored records, zip64 throughout; one that is a number is a hole of so many bytes, whose checksum nobody computed."""
    directory = []
    with open(file, "wb") as stream:
        for name, content in records:
            is_hole = isinstance(content, int)
            size = content if is_hole else len(content)
            crc = 0 if is_hole else zlib.crc32(content)
            begin = stream.tell()
            padding = -(begin + 30 + len(name) + 20 + 4) % 64
            local_extra = struct.pack("<HHQQHH", 1, 16, size, size, 0x4246, padding) + b"Z" * padding
            stream.write(struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45, 0, 0, 0, 0, crc, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(local_extra)))
            stream.write(name.encode() + local_extra)
            stream.seek(size, os.SEEK_CUR) if is_hole else stream.write(content)
            extra = struct.pack("<HHQQQ", 1, 24, size, size, begin)
            directory.append(struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 45, 45, 0, 0, 0, 0, crc, 0xFFFFFFFF, 0xFFFFFFFF, len(name),
                                         len(extra), 0, 0, 0, 0, 0xFFFFFFFF) + name.encode() + extra)
        begin = stream.tell()
        stream.write(b"".join(directory))
        end = stream.tell()
        stream.write(struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, len(records), len(records), end - begin, begin))
        stream.write(struct.pack("<4sIQI", b"PK\6\7", 0, end, 1))
        stream.write(struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))


def bits(tensor):
    return tensor.detach().contiguous().view(-1).view(torch.uint8) if tensor.numel() else torch.empty(0)


if __name__ == "__main__":
    unittest.main()
