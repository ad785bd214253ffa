"""Runs model_probe; a failure ends the test with what the program said."""
import subprocess
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file


def run_probe(program: Path, model: Path, option: str, file: Path, *more: str | Path) -> dict[str, torch.Tensor]:
    """The tensors that `model_probe --model MODEL OPTION FILE MORE…` writes."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs.safetensors"
        done = subprocess.run([program, "--model", model, option, file, "--outputs", outputs, *more], capture_output=True)
        if done.returncode:
            raise SystemExit(f"{program} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')}")
        return load_file(outputs)
