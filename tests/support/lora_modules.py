"""The adapter by its formulas, for the replay in PyTorch: ranks and alphas, the branch of a linear layer or a convolution with kohya's
dropouts, the bound of its norm.

`config` is the run's config.toml as a dictionary."""
import re

import torch
from noise_and_loss import is_on, number
from seeds import DROPOUT, generator, seed_of


def rank_and_alpha(config, path, kernel_size):
    """What the options say of a module; alpha over the rank is the scale."""
    rank, alpha = int(config["lora-rank"]), number(config, "lora-alpha")
    if kernel_size > 1:
        rank, alpha = int(config.get("lora-conv-rank", 0)) or rank, number(config, "lora-conv-alpha") or alpha
    for pattern in config.get("lora-rank-pattern", []):
        expression, _, numbers = pattern.rpartition("=")
        if re.search(expression, path):
            rank, _, of_pattern = numbers.partition(":")
            rank, alpha = int(rank), float(of_pattern or alpha)
            break
    return rank, alpha * rank**0.5 if is_on(config, "rs-lora") else alpha


class LoraModule(torch.nn.Module):
    """W x + (alpha / rank) B A x, for a linear layer or a convolution. `slots`, `step` and `seed` say what dropout draws."""

    def __init__(self, config, base, path, index, a, b, magnitude):
        super().__init__()
        self.config, self.base, self.index = config, base, index
        kernel_size = base.kernel_size[0] if isinstance(base, torch.nn.Conv2d) else 0
        self.rank, self.alpha = rank_and_alpha(config, path, kernel_size)
        assert a.shape[0] == self.rank, (path, a.shape, self.rank)
        self.scale = self.alpha / self.rank
        self.a, self.b = torch.nn.Parameter(a.clone()), torch.nn.Parameter(b.clone())
        self.magnitude = None if magnitude is None else torch.nn.Parameter(magnitude.clone())
        self.step, self.slots = 0, []

    def factors(self, tokens):
        """[B, tokens, rank]: module, neuron and rank dropout of kohya's LoRAModule, drawn for each sample."""
        module, neuron, rank = (number(self.config, f"lora-{kind}dropout") for kind in ("module-", "", "rank-"))
        rows = []
        for slot in self.slots:
            draws = generator(seed_of(int(self.config.get("seed", 0)), self.step, slot, DROPOUT), self.index, 0, DROPOUT)
            row = torch.ones(tokens, self.rank)
            if module:
                row = row * (torch.rand(1, generator=draws) >= module)
            if neuron:
                row = row * (torch.rand(tokens, self.rank, generator=draws) >= neuron) / (1 - neuron)
            if rank:
                row = row * (torch.rand(self.rank, generator=draws) >= rank) / (1 - rank)
            rows.append(row)
        return torch.stack(rows)

    def forward(self, x):
        if isinstance(self.base, torch.nn.Conv2d):
            inner = torch.nn.functional.conv2d(x, self.a, stride=self.base.stride, padding=self.base.padding)  # [B, r, h, w]
            kept = self.factors(inner.shape[2] * inner.shape[3]).transpose(1, 2).view(inner.shape)
            branch = torch.nn.functional.conv2d(inner * kept, self.b)
        else:
            inner = x @ self.a.T  # [B, ..., r]
            branch = (inner * self.factors(inner[0].numel() // self.rank).view(inner.shape)) @ self.b.T
        if self.magnitude is None:
            return self.base(x) + self.scale * branch
        # DoRA: the length of the merged weight's rows is a constant of the backward (PEFT tuners/lora/dora.py)
        merged = self.base.weight.flatten(1) + self.change()
        gain = self.magnitude / merged.norm(dim=1).detach()
        by_output = gain.view(1, -1, 1, 1) if isinstance(self.base, torch.nn.Conv2d) else gain
        without_bias = self.base(x)
        if self.base.bias is not None:
            bias = self.base.bias.view(1, -1, 1, 1) if isinstance(self.base, torch.nn.Conv2d) else self.base.bias
            return (without_bias - bias + self.scale * branch) * by_output + bias
        return (without_bias + self.scale * branch) * by_output

    def change(self):
        """(alpha / rank) B A, [out, in · kernel²]."""
        return self.scale * (self.b.flatten(1) @ self.a.flatten(1))

    def bound_norm(self, largest):
        """kohya's apply_max_norm_regularization."""
        with torch.no_grad():
            norm = self.change().norm().clamp(min=largest / 2)
            ratio = norm.clamp(max=largest) / norm
            if ratio != 1:
                self.a.mul_(ratio**0.5)
                self.b.mul_(ratio**0.5)
            return ratio != 1


def attach(config, unet, text_encoder, adapter):
    """Modules by path, in the order of the trainer's: the UNet's first."""
    paths = [name.removesuffix(".lora_A") for name in adapter if name.endswith(".lora_A")]
    text_model = getattr(text_encoder, "text_model", text_encoder)  # which transformers 5 has no more
    order = module_order(unet) + [f"text_model.{name}" for name, module in text_model.named_modules() if isinstance(module, torch.nn.Linear)]
    modules = {}
    for index, path in enumerate(sorted(paths, key=order.index)):
        parent_path, _, leaf = path.rpartition(".")
        is_text = path.startswith("text_model.")
        parent = text_model.get_submodule(parent_path.removeprefix("text_model.")) if is_text else unet.get_submodule(parent_path)
        modules[path] = LoraModule(config, getattr(parent, leaf), path, index, adapter[path + ".lora_A"], adapter[path + ".lora_B"],
                                   adapter.get(path + ".lora_magnitude_vector"))
        setattr(parent, leaf, modules[path])
    return modules


def module_order(unet):
    """The trainer's: of each block the attentions before the residual blocks; down, up, mid."""
    def key(path):
        block = next(i for i, name in enumerate(("time_embedding", "down_blocks", "up_blocks", "mid_block", "conv_in", "conv_out")) if path.startswith(name))
        number_of_block = int(path.split(".")[1]) if block in (1, 2) else 0
        kind = next((i for i, name in enumerate(("attentions", "resnets", "downsamplers", "upsamplers")) if f".{name}." in path), 0)
        return block, number_of_block, kind
    # Within these the order of named_modules: but of attention q, k, v, out, as diffusers makes them.
    return sorted((name for name, module in unet.named_modules() if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))), key=key)
