"""Each optimiser against its original in Python (torch, lion-pytorch, transformers, prodigyopt, schedulefree): 50 steps on the same gradients.
Prints the largest relative error of the parameters after any step, and fails above 1e-6."""
import pathlib
import subprocess
import sys
import tempfile

import lion_pytorch
import prodigyopt
import schedulefree
import torch
from safetensors.torch import load_file, save_file
from transformers.optimization import Adafactor

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs

STEPS, TOLERANCE = 50, 1e-6
SHAPES = [(4, 48), (96, 4), (4, 320), (64, 4), (1, 5), (7, 1)]  # A and B of several modules, and odd ones
PLUS = 16  # LoRA+: how many times as fast B learns, in the cases whose name says so


def groups(parameters, rate):
    return [{"params": parameters[0::2], "lr": rate}, {"params": parameters[1::2], "lr": PLUS * rate}]


# name: (kind, learning rate, warm-up, arguments, the original)
CASES = {
    "adamw": ("adamw", 1e-3, 0, ["weight_decay=0.1", "betas=0.8,0.99"],
              lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.1, betas=(0.8, 0.99))),
    "lion": ("lion", 1e-3, 0, ["weight_decay=0.1"], lambda p: lion_pytorch.Lion(p, lr=1e-3, weight_decay=0.1)),
    "adamw, LoRA+": ("adamw", 1e-3, 0, [], lambda p: torch.optim.AdamW(groups(p, 1e-3))),
    "lion, LoRA+": ("lion", 1e-4, 0, ["weight_decay=0.1"], lambda p: lion_pytorch.Lion(groups(p, 1e-4), weight_decay=0.1)),
    "adafactor, LoRA+": ("adafactor", 1e-4, 0, ["relative_step=False"], lambda p: Adafactor(groups(p, 1e-4), relative_step=False)),
    "adamw-schedule-free, LoRA+": ("adamw-schedule-free", 1e-3, 5, [], lambda p: schedulefree.AdamWScheduleFree(groups(p, 1e-3), warmup_steps=5)),
    "adafactor": ("adafactor", 7, 0, [], lambda p: Adafactor(p)),
    "adafactor, warmup_init": ("adafactor", 7, 0, ["warmup_init=True", "weight_decay=0.1"],
                               lambda p: Adafactor(p, warmup_init=True, weight_decay=0.1)),
    "adafactor, lr of ours": ("adafactor", 1e-3, 0, ["scale_parameter=False", "relative_step=False", "beta1=0.9", "eps=1e-20,0.01", "clip_threshold=0.5"],
                              lambda p: Adafactor(p, lr=1e-3, scale_parameter=False, relative_step=False, beta1=0.9, eps=(1e-20, 0.01), clip_threshold=0.5)),
    "prodigy": ("prodigy", 1, 0, [], lambda p: prodigyopt.Prodigy(p)),
    "prodigy, as kohya's users": ("prodigy", 1, 0, ["weight_decay=0.01", "use_bias_correction=True", "safeguard_warmup=True", "d_coef=2", "growth_rate=1.5"],
                                  lambda p: prodigyopt.Prodigy(p, weight_decay=0.01, use_bias_correction=True, safeguard_warmup=True, d_coef=2, growth_rate=1.5)),
    "prodigy, coupled": ("prodigy", 0.5, 0, ["weight_decay=0.01", "decouple=False", "d0=1e-5", "betas=0.8,0.95"],
                         lambda p: prodigyopt.Prodigy(p, lr=0.5, weight_decay=0.01, decouple=False, d0=1e-5, betas=(0.8, 0.95))),
    "adamw-schedule-free": ("adamw-schedule-free", 1e-2, 10, ["weight_decay=0.1"],
                            lambda p: schedulefree.AdamWScheduleFree(p, lr=1e-2, warmup_steps=10, weight_decay=0.1)),
    "adamw-schedule-free, r": ("adamw-schedule-free", 1e-2, 0, ["r=1", "weight_lr_power=1", "betas=0.95,0.99"],
                               lambda p: schedulefree.AdamWScheduleFree(p, lr=1e-2, r=1, weight_lr_power=1, betas=(0.95, 0.99))),
}


def flat(tensors):
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def relative_error(ours, original):
    return ((ours - original).double().norm() / original.double().norm()).item()


def errors_of(folder, name, kind, rate, warmup, arguments, original):
    generator = torch.Generator().manual_seed(7)
    begin = [torch.randn(shape, generator=generator) * (0.05 if i % 2 == 0 else 0) for i, shape in enumerate(SHAPES)]  # B begins with 0
    gradients = [[torch.randn(shape, generator=generator) * 1e-3 + 1e-4 for shape in SHAPES] for _ in range(STEPS)]
    for gradient in gradients[0][0::2]:
        gradient.zero_()  # A's, as long as B is 0
    save_file({"parameters": flat(begin), "gradients": torch.stack([flat(step) for step in gradients]),
               "matrices": torch.tensor([(*shape, PLUS if "LoRA+" in name and i % 2 == 1 else 1) for i, shape in enumerate(SHAPES)])}, folder / "input.safetensors")
    done = subprocess.run([programs.BUILD / "tests/optimizer_probe", folder / "input.safetensors", folder / "output.safetensors", kind, str(rate),
                           str(warmup), *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    ours = load_file(folder / "output.safetensors")
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in begin]
    optimizer = original(parameters)
    if hasattr(optimizer, "train"):
        optimizer.train()
    worst = 0
    for step, of_step in enumerate(gradients):
        for parameter, gradient in zip(parameters, of_step):
            parameter.grad = gradient.clone()
        optimizer.step()
        worst = max(worst, relative_error(ours["parameters"][step], flat(parameters)))
    if hasattr(optimizer, "eval"):
        optimizer.eval()
    moved = relative_error(flat(parameters), flat(begin))
    return worst, relative_error(ours["evaluation"], flat(parameters)), moved


with tempfile.TemporaryDirectory() as directory:
    failed = []
    for name, case in CASES.items():
        worst, evaluation, moved = errors_of(pathlib.Path(directory), name, *case)
        print(f"{name:28} parameters {worst:.1e}, evaluated {evaluation:.1e}, after moving by {moved:.1e}", flush=True)
        if not (max(worst, evaluation) < TOLERANCE and moved > 1e-5):
            failed.append(name)
    if failed:
        sys.exit(f"above {TOLERANCE}, or not moved: {', '.join(failed)}")
