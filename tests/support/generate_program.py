"""Runs generate; a failure ends the test with what the program said."""
import subprocess
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


class Generate:
    def __init__(self, program: Path, model: Path, cpu_threads: int = 1):
        self.program, self.model, self.cpu_threads = program, model, cpu_threads

    def run(self, output: Path, initial_latents: torch.Tensor | None = None, **options) -> torch.Tensor:
        """The final latents [n, 4, h, w]; steps=5 is --steps 5, karras_sigmas=True a flag; pictures lie at `output`."""
        with tempfile.TemporaryDirectory() as folder:
            final = Path(folder) / "final.safetensors"
            command = [self.program, "--model", self.model, "--output", output, "--final-latents", final, "--device", "cpu",
                       "--cpu-threads", str(self.cpu_threads)]  # fmt: skip
            if initial_latents is not None:
                save_file({"latents": initial_latents}, Path(folder) / "initial.safetensors")
                command += ["--initial-latents", Path(folder) / "initial.safetensors"]
            for name, value in options.items():
                option = "--" + name.replace("_", "-")
                command += [option] if value is True else [option, str(value)]
            done = subprocess.run(command, capture_output=True)
            if done.returncode:
                raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')}")
            return load_file(final)["latents"]
