"""Slow: the real Stable Diffusion 1.5 architecture at 512², from photographs to an adapter, on two ranks.

Random weights made by diffusers (859,520,964 parameters in the UNet), real photographs from scikit-image, 10 steps. About 10 minutes on
2 cores; needs 20 GB of memory and 5 GB of disk in ${SDLORA_HOME:-~/.cache/sdlora}.

    SDLORA_BUILD=build python tests/system/full_size_test.py
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time

import skimage
import torch
from diffusers import UNet2DConditionModel
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs

PHOTOGRAPHS = {
    "astronaut": "a portrait of an astronaut in an orange suit",
    "chelsea": "a close photograph of a ginger cat",
    "coffee": "a cup of coffee on a wooden table",
    "hubble_deep_field": "a photograph of distant galaxies",
    "motorcycle_left": "a motorcycle in a garage",
    "motorcycle_right": "a motorcycle in a garage, from the right",
    "rocket": "a rocket on its launch pad",
    "retina": "a photograph of the retina of an eye",
}


def photographs_into(directory):
    source = pathlib.Path(skimage.__file__).parent / "data"
    directory.mkdir()
    for name, caption in PHOTOGRAPHS.items():
        [file] = source.glob(name + ".*")
        Image.open(file).convert("RGB").save(directory / f"{name}.png")
        (directory / f"{name}.txt").write_text(caption)


def timed(what, result_of):
    start = time.monotonic()
    result = result_of()
    print(f"{what}: {time.monotonic() - start:.0f} s", flush=True)
    if result.exit_code != 0:
        sys.exit(f"exit code {result.exit_code}\n{result.output}")
    return result


def main():
    make_model = pathlib.Path(__file__).parents[1] / "support/make_model.py"
    model = subprocess.run([sys.executable, make_model, "--size", "full", "--cache"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split()[-1]
    print(f"model: {model}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        photographs_into(directory / "photographs")
        timed("cache_latents, 8 photographs at 512²", lambda: programs.run(
            "cache_latents", "--model", model, "--images", directory / "photographs", "--output", directory / "cache",
            timeout_seconds=900))
        run = directory / "run"
        result = timed("trainer, 10 steps of 2 samples on 2 ranks", lambda: programs.train(
            run, ranks=2, model=model, data=directory / "cache", batch_size=2, max_steps=10, learning_rate="1e-4",
            timeout_seconds=1500))
        for line in result.output.splitlines():
            if "memory of rank" in line or " LoRA " in line:
                print(line)
        assert "128 modules, 3188736 parameters (0.371 % of the UNet's 859520964)" in result.output, result.output

        steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        assert len(steps) == 10 and all(math.isfinite(s["loss"]) and not s["skipped"] for s in steps), steps
        seconds = sorted(s["step_seconds"] for s in steps)[len(steps) // 2]
        print(f"losses {steps[0]['loss']:.4f} … {steps[-1]['loss']:.4f}, median {seconds:.1f} s a step of 2 samples")

        weights = torch.load(run / "lora_weights.pt")
        with torch.device("meta"):
            unet = UNet2DConditionModel.from_config(json.loads((pathlib.Path(model) / "unet/config.json").read_text()))
        assert len(weights) == 256 and all(torch.isfinite(t).all() for t in weights.values())
        for name, tensor in weights.items():
            path, _, which = name.rpartition(".")
            out_features, in_features = unet.get_submodule(path).weight.shape[:2]
            assert tensor.shape == ((16, in_features) if which == "lora_A" else (out_features, 16)), name
        assert any(t.any() for name, t in weights.items() if name.endswith("lora_B")), "B did not move"
        print("lora_weights.pt: 256 finite tensors, each with its place in diffusers' UNet")


if __name__ == "__main__":
    main()
