"""Compares generate's final latents with every kind of adapter to diffusers' with the same weights merged in Python.

    python adapter_kinds.py --generate build/bin/generate [--size full --only locon,dora]

Each kind is written as a file, alone and then all in one, and merged here by formulas of its own, in double precision; what PEFT
writes is merged by PEFT. Prints for each how much the adapter changes and the relative error ||ours - reference|| / ||reference||;
fails above 1e-4, or when a tensor is not applied.
"""
import argparse
import copy
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
import make_model  # noqa: E402
import reference_model  # noqa: E402
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline  # noqa: E402
from peft import AdaLoraConfig, IA3Config, LoraConfig, get_peft_model  # noqa: E402
from transformers import CLIPTokenizer  # noqa: E402

TOLERANCE = 1e-4
RANK, STEPS, PROMPT = 4, 4, "a red circle on a blue ground"
ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0"
LINEAR = [f"{ATTENTION}.attn1.to_q", f"{ATTENTION}.attn2.to_k", f"{ATTENTION}.ff.net.0.proj", "time_embedding.linear_1",
          "down_blocks.0.resnets.0.time_emb_proj"]  # fmt: skip
KERNELS = ["down_blocks.0.resnets.0.conv1", "down_blocks.0.downsamplers.0.conv", "up_blocks.0.upsamplers.0.conv", "conv_in", "conv_out"]
POINTS = ["down_blocks.0.attentions.1.proj_in", "down_blocks.1.resnets.0.conv_shortcut"]  # 1×1
TEXT = ["text_model.encoder.layers.0.self_attn.q_proj", "text_model.encoder.layers.1.mlp.fc1"]
NORMS = ["down_blocks.0.resnets.0.norm1", f"{ATTENTION}.norm2", "conv_norm_out", "text_model.encoder.layers.0.layer_norm1",
         "text_model.final_layer_norm"]  # fmt: skip
# The same modules in the original UNet of a model whose levels have two resnets.
LDM = {
    f"{ATTENTION}.attn1.to_q": "input_blocks.1.1.transformer_blocks.0.attn1.to_q",
    f"{ATTENTION}.attn2.to_k": "input_blocks.1.1.transformer_blocks.0.attn2.to_k",
    f"{ATTENTION}.ff.net.0.proj": "input_blocks.1.1.transformer_blocks.0.ff.net.0.proj",
    "time_embedding.linear_1": "time_embed.0",
    "down_blocks.0.resnets.0.time_emb_proj": "input_blocks.1.0.emb_layers.1",
    "down_blocks.0.resnets.0.conv1": "input_blocks.1.0.in_layers.2",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.3.0.op",
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "down_blocks.0.attentions.1.proj_in": "input_blocks.2.1.proj_in",
    "down_blocks.1.resnets.0.conv_shortcut": "input_blocks.4.0.skip_connection",
}


class Draw:
    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self.generator)


def shaped(weight: torch.Tensor) -> tuple[int, int, tuple[int, ...]]:
    return weight.shape[0], weight.shape[1], tuple(weight.shape[2:])


def tucker(core, left, right):
    return torch.einsum("ijkl,io,jc->ockl", core, left, right)


# Each kind: the parts of one module from its weight, and its ΔW from parts in double precision. `scaled` names a part in which ΔW is
# linear, so that it can be brought to a third of the weight's size.


def low_rank_parts(weight, draw):
    out, inputs, kernel = shaped(weight)
    ones = (1,) * len(kernel)
    return {"lora_down.weight": draw(RANK, inputs, *kernel), "lora_up.weight": draw(out, RANK, *ones), "alpha": torch.tensor(6.0)}


def low_rank(p, weight):
    return 6 / RANK * (p["lora_up.weight"].flatten(1) @ p["lora_down.weight"].flatten(1))


def tucker_parts(weight, draw):
    out, inputs, kernel = shaped(weight)
    return {"lora_down.weight": draw(RANK, inputs, 1, 1), "lora_mid.weight": draw(RANK, RANK, *kernel), "lora_up.weight": draw(out, RANK, 1, 1)}


def tucker_change(p, weight):
    return tucker(p["lora_mid.weight"], p["lora_up.weight"].flatten(1).T, p["lora_down.weight"].flatten(1))


def loha_parts(weight, draw):
    out, inputs, kernel = shaped(weight)
    columns = weight[0].numel()
    return {"hada_w1_a": draw(out, RANK), "hada_w1_b": draw(RANK, columns), "hada_w2_a": draw(out, RANK), "hada_w2_b": draw(RANK, columns),
            "alpha": torch.tensor(2.0)}  # fmt: skip


def loha(p, weight):
    return 2 / RANK * (p["hada_w1_a"] @ p["hada_w1_b"]) * (p["hada_w2_a"] @ p["hada_w2_b"])


def loha_tucker_parts(weight, draw):
    out, inputs, kernel = shaped(weight)
    return {f"hada_{name}": draw(*shape) for i in "12" for name, shape in
            {f"w{i}_a": (RANK, out), f"w{i}_b": (RANK, inputs), f"t{i}": (RANK, RANK, *kernel)}.items()}  # fmt: skip


def loha_tucker(p, weight):
    return tucker(p["hada_t1"], p["hada_w1_a"], p["hada_w1_b"]) * tucker(p["hada_t2"], p["hada_w2_a"], p["hada_w2_b"])


def half(number: int) -> int:
    return 2 if number % 2 == 0 else 1


def lokr_parts(form):
    def parts(weight, draw):
        out, inputs, kernel = shaped(weight)
        o, i = half(out), half(inputs)
        o2, i2 = out // o, inputs // i
        first = {"lokr_w1": draw(o, i)} if form != "both" else {"lokr_w1_a": draw(o, RANK), "lokr_w1_b": draw(RANK, i)}
        if form == "whole":
            return first | {"lokr_w2": draw(o2, i2, *kernel), "alpha": torch.tensor(99.0)}
        if form == "core":
            return first | {"lokr_w2_a": draw(RANK, o2), "lokr_w2_b": draw(RANK, i2), "lokr_t2": draw(RANK, RANK, *kernel)}
        columns = i2 * weight[0, 0].numel()
        return first | {"lokr_w2_a": draw(o2, RANK), "lokr_w2_b": draw(RANK, columns), "alpha": torch.tensor(6.0)}

    return parts


def lokr(p, weight):
    out, inputs, kernel = shaped(weight)
    first = p["lokr_w1"] if "lokr_w1" in p else p["lokr_w1_a"] @ p["lokr_w1_b"]
    scale = 6 / RANK if "alpha" in p and "lokr_w2" not in p else 1
    if "lokr_w2" in p:
        second = p["lokr_w2"]
    elif "lokr_t2" in p:
        second = tucker(p["lokr_t2"], p["lokr_w2_a"], p["lokr_w2_b"])
    else:
        second = p["lokr_w2_a"] @ p["lokr_w2_b"]
    second = second.reshape(out // first.shape[0], inputs // first.shape[1], *kernel)
    return scale * torch.kron(first.reshape(*first.shape, *(1 for _ in kernel)).contiguous(), second.contiguous())


def glora_parts(weight, draw):
    out, inputs, kernel = shaped(weight)
    ones = (1,) * len(kernel)
    return {"a1.weight": draw(inputs, RANK, *ones) * 0.3 / inputs**0.5, "a2.weight": draw(RANK, inputs, *ones),
            "b1.weight": draw(out, RANK, *ones) * 0.1 / weight[0].numel() ** 0.5, "b2.weight": draw(RANK, inputs, *kernel),
            "alpha": torch.tensor(2.0)}  # fmt: skip


def glora(p, weight):
    mixed = torch.einsum("oi...,ir,rj->oj...", weight, p["a1.weight"].flatten(1), p["a2.weight"].flatten(1))
    return 2 / RANK * (mixed + (p["b1.weight"].flatten(1) @ p["b2.weight"].flatten(1)).reshape(weight.shape))


def old_glora_parts(weight, draw):
    p = glora_parts(weight, draw)
    return {"a1.weight": p["a2.weight"], "a2.weight": p["a1.weight"], "b1.weight": p["b2.weight"], "b2.weight": p["b1.weight"],
            "alpha": p["alpha"]}  # fmt: skip


def old_glora(p, weight):
    return glora({"a1.weight": p["a2.weight"], "a2.weight": p["a1.weight"], "b1.weight": p["b2.weight"], "b2.weight": p["b1.weight"]}, weight)


def ia3_parts(on_input):
    def parts(weight, draw):
        size = weight.shape[1 if on_input else 0]
        factor = 0.3 * draw(size)
        return {"weight": factor if weight.dim() == 2 else factor.reshape(1, size, 1, 1), "on_input": torch.tensor(int(on_input))}

    return parts


def ia3(p, weight):
    factor = p["weight"].flatten()
    return weight * factor.reshape(*((1, -1) if p["on_input"] else (-1, 1)), *(1 for _ in weight.shape[2:]))


def diff_parts(weight, draw):
    return {"diff": draw(*weight.shape), "diff_b": 0.1 * draw(weight.shape[0])}


def diff(p, weight):
    return p["diff"]


def norm_parts(weight, draw):
    return {"w_norm": draw(*weight.shape), "b_norm": 0.1 * draw(weight.shape[0])}


def norm(p, weight):
    return p["w_norm"]


def length(weight, axes):
    return weight.square().sum(dim=axes, keepdim=True).sqrt()


def dora_parts(by_output):
    def parts(weight, draw):
        axes = tuple(i for i in range(weight.dim()) if i != (0 if by_output else 1))
        lengths = length(weight, axes)
        return low_rank_parts(weight, draw) | {"dora_scale": lengths * (1 + 0.2 * draw(*lengths.shape))}

    return parts


def dora(p, weight):
    merged = weight + low_rank(p, weight).reshape(weight.shape)
    axes = tuple(i for i in range(weight.dim()) if i != (0 if p["dora_scale"].shape[0] == weight.shape[0] else 1))
    return merged * p["dora_scale"] / length(merged, axes) - weight


def bias_parts(weight, draw):
    return low_rank_parts(weight, draw) | {"lora_up.bias": 0.1 * draw(weight.shape[0])}


ALL = LINEAR + KERNELS + POINTS + TEXT
KINDS = {
    "lora": (LINEAR, low_rank_parts, low_rank, "lora_up.weight"),
    "text": (TEXT, low_rank_parts, low_rank, "lora_up.weight"),
    "locon": (KERNELS + POINTS, low_rank_parts, low_rank, "lora_up.weight"),
    "tucker": (KERNELS, tucker_parts, tucker_change, "lora_up.weight"),
    "loha": (ALL, loha_parts, loha, "hada_w1_a"),
    "loha-tucker": (KERNELS, loha_tucker_parts, loha_tucker, "hada_w1_a"),
    "lokr": (ALL, lokr_parts("second"), lokr, "lokr_w1"),
    "lokr-both": (ALL, lokr_parts("both"), lokr, "lokr_w1_a"),
    "lokr-whole": (ALL, lokr_parts("whole"), lokr, "lokr_w1"),
    "lokr-core": (KERNELS, lokr_parts("core"), lokr, "lokr_w1"),
    "glora": (ALL, glora_parts, glora, None),
    "glora-old": (ALL, old_glora_parts, old_glora, None),
    "ia3-outputs": (ALL, ia3_parts(False), ia3, None),
    "ia3-inputs": (ALL, ia3_parts(True), ia3, None),
    "diff": (LINEAR[2:] + KERNELS + POINTS + TEXT, diff_parts, diff, "diff"),
    "norms": (NORMS, norm_parts, norm, "w_norm"),
    "dora-outputs": (ALL, dora_parts(True), dora, None),
    "dora-inputs": (ALL, dora_parts(False), dora, None),
    "bias": (ALL, bias_parts, low_rank, "lora_up.weight"),
}


def kohya_name(path: str) -> str:
    return ("lora_te_" if path.startswith("text_model.") else "lora_unet_") + path.replace(".", "_")


class Kinds:
    def __init__(self, generate: Path, model: Path, folder: Path, size: int):
        self.program, self.model, self.folder, self.size = generate, model, folder, size
        self.threads = "1" if size < 256 else "0"
        self.unet, self.text_encoder = reference_model.load_unet(model), reference_model.load_text_encoder(model)
        self.tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")
        self.scheduler = DPMSolverMultistepScheduler.from_config(json.loads((model / "scheduler" / "scheduler_config.json").read_text()))
        self.noise = torch.randn(1, 4, size // 8, size // 8, generator=torch.Generator().manual_seed(5))
        save_file({"latents": self.noise}, folder / "noise.safetensors")
        self.without = self.reference(self.unet, self.text_encoder)
        self.worst, self.compared = 0.0, 0

    def reference(self, unet, text_encoder) -> torch.Tensor:
        pipe = StableDiffusionPipeline(unet=unet, text_encoder=text_encoder, tokenizer=self.tokenizer, scheduler=self.scheduler,
                                       vae=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False)  # fmt: skip
        pipe.set_progress_bar_config(disable=True)
        return pipe(PROMPT, num_inference_steps=STEPS, guidance_scale=3.0, height=self.size, width=self.size, latents=self.noise,
                    output_type="latent").images  # fmt: skip

    def ours(self, *adapters, scale: float = 1, all_applied: bool = True) -> torch.Tensor:
        final = self.folder / "final.safetensors"
        lora = [word for adapter in adapters for word in ("--lora", str(adapter))]
        command = [self.program, "--model", self.model, *lora, "--lora-scale", str(scale), "--prompt", PROMPT, "--steps", str(STEPS),
                   "--guidance-scale", "3", "--width", str(self.size), "--height", str(self.size), "--initial-latents",
                   self.folder / "noise.safetensors", "--final-latents", final, "--output", self.folder / "x.png", "--device", "cpu",
                   "--cpu-threads", self.threads]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{adapters}: generate ended with {done.returncode}:\n{done.stderr}")
        counts = re.findall(r"(\d+) of (\d+) tensors of", done.stderr + done.stdout)
        if len(counts) != len(adapters) or all_applied and any(some != all_of_it for some, all_of_it in counts):
            raise SystemExit(f"{adapters}: applied {counts}:\n{done.stderr}")
        return load_file(final)["latents"]

    def compare(self, title: str, ours: torch.Tensor, reference: torch.Tensor) -> None:
        change = ((reference - self.without).norm() / self.without.norm()).item()
        error = ((ours - reference).double().norm() / reference.double().norm()).item()
        is_bad = not (error <= TOLERANCE and change > 0.01)  # an adapter that changes nothing proves nothing
        self.worst, self.compared = max(self.worst, float("inf") if is_bad else error), self.compared + 1
        print(f"  {title:58} changes {change:.2f}  relative error {error:.2e}{'  BAD' if is_bad else ''}", flush=True)

    def adapter(self, kind: str, seed: int = 1) -> tuple[dict, dict]:
        """By path the parts that a file has, and what they are merged to: ({path: {part: tensor}}, {path: (W', b')})."""
        paths, make, change, scaled = KINDS[kind]
        draw, parts, merged = Draw(seed), {}, {}
        for path in paths:
            module = (self.text_encoder if path.startswith("text_model.") else self.unet).get_submodule(self.path_in(path))
            weight = module.weight.data.double()
            p = make(module.weight.data, draw)
            if scaled or kind.startswith("dora"):
                delta = (low_rank if kind.startswith("dora") else change)({k: v.double() for k, v in p.items()}, weight)
                part = scaled or "lora_up.weight"
                p[part] = p[part] * (0.3 * weight.norm() / delta.norm()).float()
            exact = {k: v.double() for k, v in p.items()}
            new_weight = weight + change(exact, weight).reshape(weight.shape)
            bias = module.bias.data.double() if module.bias is not None else torch.zeros(weight.shape[0]).double()
            added = exact.get("diff_b", exact.get("b_norm"))
            if "lora_up.bias" in exact:
                added = exact["lora_up.bias"] * 6 / RANK
            parts[path], merged[path] = p, (new_weight, None if added is None else bias + added)
        return parts, merged

    def path_in(self, path: str) -> str:
        """transformers 5 has no text_model any more."""
        return path if hasattr(self.text_encoder, "text_model") or not path.startswith("text_model.") else path.removeprefix("text_model.")

    def merged(self, merged: dict, strength: float = 1):
        unet, text_encoder = copy.deepcopy(self.unet), copy.deepcopy(self.text_encoder)
        for path, (weight, bias) in merged.items():
            module = (text_encoder if path.startswith("text_model.") else unet).get_submodule(self.path_in(path))
            module.weight.data = torch.lerp(module.weight.data.double(), weight, strength).float()
            if bias is not None:
                old = module.bias.data.double() if module.bias is not None else torch.zeros_like(bias)
                module.bias = torch.nn.Parameter(torch.lerp(old, bias, strength).float())
        return unet, text_encoder

    def save(self, name: str, tensors: dict[str, torch.Tensor], **options) -> Path:
        save_file({k: v.contiguous() for k, v in tensors.items()}, self.folder / name, **options)
        return self.folder / name

    def kohya(self, name: str, parts: dict) -> Path:
        return self.save(name, {f"{kohya_name(path)}.{part}": tensor for path, p in parts.items() for part, tensor in p.items()})

    def check_kinds(self, only: list[str]) -> None:
        for kind in only:
            parts, merged = self.adapter(kind)
            file = self.kohya(f"{kind}.safetensors", parts)
            self.compare(kind, self.ours(file), self.reference(*self.merged(merged)))
            if kind in ("locon", "glora", "ia3-outputs", "dora-outputs", "bias"):
                self.compare(f"{kind}, strength 0.6", self.ours(file, scale=0.6), self.reference(*self.merged(merged, 0.6)))

    def check_mixed(self) -> None:
        """A kind for each module in one file, also in half precision, and two files one after the other."""
        parts, merged = {}, {}
        for kind in KINDS:
            for path, p in self.adapter(kind)[0].items():
                if path not in parts and (len(parts) + len(kind)) % 2 == 0 or path in NORMS:
                    parts[path] = p
                    merged[path] = self.adapter(kind)[1][path]
        self.compare(f"{len(parts)} modules of mixed kinds", self.ours(self.kohya("mixed.safetensors", parts)), self.reference(*self.merged(merged)))
        lora, of_lora = self.adapter("lora")
        dora = {path: p for path, p in self.adapter("dora-outputs", seed=2)[0].items() if path in LINEAR}
        both = {}
        for path, (weight, _) in of_lora.items():
            base = self.unet.get_submodule(path).weight.data.double()
            first = torch.lerp(base, weight, 0.5)
            exact = {k: v.double() for k, v in dora[path].items()}
            both[path] = (first + 0.8 * KINDS["dora-outputs"][2](exact, first), None)
        files = f"{self.kohya('first.safetensors', lora)}:0.5", f"{self.kohya('second.safetensors', dora)}:0.8"
        self.compare("LoRA at 0.5, then DoRA at 0.8", self.ours(*files), self.reference(*self.merged(both)))
        base = self.ours(scale=1)
        if not torch.equal(base, self.ours(self.folder / "mixed.safetensors", scale=0)):
            raise SystemExit("strength 0 does not give the base model's bytes")

    def check_names(self) -> None:
        """One adapter in every spelling: the same bytes."""
        parts = self.adapter("lora")[0] | self.adapter("locon")[0] | self.adapter("text")[0]
        parts = {path: p for path, p in parts.items() if path in LDM or path in TEXT}
        plain = self.ours(self.kohya("kohya.safetensors", parts))
        text_keys = {path: path in TEXT for path in parts}

        def flat(prefix, text_prefix, ldm, down, up):
            names = {"lora_down.weight": down, "lora_up.weight": up, "alpha": "alpha"}
            return {(text_prefix if text_keys[path] else prefix) + (path if text_keys[path] or not ldm else LDM[path]) + "." + names[part]: tensor
                    for path, p in parts.items() for part, tensor in p.items()}  # fmt: skip

        def underscored(prefix, text_prefix, ldm):
            tensors = flat("", "", ldm, "lora_down.weight", "lora_up.weight")
            keys = {}
            for name, tensor in tensors.items():
                part = next(p for p in ("lora_down.weight", "lora_up.weight", "alpha") if name.endswith("." + p))
                path = name.removesuffix("." + part)
                keys[(text_prefix if path in TEXT else prefix) + path.replace(".", "_") + "." + part] = tensor
            return keys

        spellings = {
            "kohya, te1": underscored("lora_unet_", "lora_te1_", False),
            "kohya, LDM": underscored("lora_unet_", "lora_te_", True),
            "lycoris_": underscored("lycoris_", "lycoris_", False),
            "lycoris_, LDM": underscored("lycoris_", "lycoris_", True),
            "ComfyUI": flat("diffusion_model.", "text_encoders.clip_l.transformer.", True, "lora_A.weight", "lora_B.weight"),
            "LDM weight names": flat("model.diffusion_model.", "cond_stage_model.transformer.", True, "lora_down.weight", "lora_up.weight"),
            "bare LDM": flat("", "", True, "lora_down.weight", "lora_up.weight"),
            "diffusers": flat("unet.", "text_encoder.", False, "lora_A.weight", "lora_B.weight"),
            "older diffusers": flat("unet.", "text_encoder.", False, "lora.down.weight", "lora_linear_layer.up.weight"),
            "PEFT, adapter's name": flat("base_model.model.", "base_model.model.", False, "lora_A.default.weight", "lora_B.default.weight"),
        }
        for spelling, tensors in spellings.items():
            if not torch.equal(self.ours(self.save("spelling.safetensors", tensors)), plain):
                raise SystemExit(f"{spelling}: other latents than in kohya's names")
        print(f"  {len(spellings)} spellings of one adapter: the same bytes", flush=True)
        bundle = spellings["kohya, te1"] | {"bundle_emb.word.string_to_param.*": torch.zeros(1, 8)}
        if not torch.equal(self.ours(self.save("bundle.safetensors", bundle), all_applied=False), plain):
            raise SystemExit("an embedding beside the adapter changes it")

    def check_numbered(self) -> None:
        """cloneofsimo/lora: modules numbered in the order of diffusers' modules then, where ff stood before attn2."""
        tensors, merged, draw = {}, {}, Draw(8)
        blocks = [name for name, module in self.unet.named_modules() if type(module).__name__ == "BasicTransformerBlock"]
        in_unet = [f"{block}.{name}" for block in blocks for name in
                   ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj", "attn2.to_q", "attn2.to_k", "attn2.to_v",
                    "attn2.to_out.0")]  # fmt: skip
        in_text = [name for name, module in self.text_encoder.named_modules() if name.endswith(("k_proj", "v_proj", "q_proj", "out_proj"))]
        in_text = [name if name.startswith("text_model.") else f"text_model.{name}" for name in in_text]
        for network, paths in {"unet": in_unet, "text_encoder": in_text}.items():
            for number, path in enumerate(paths):
                weight = (self.unet if network == "unet" else self.text_encoder).get_submodule(self.path_in(path)).weight.data
                up, down = 0.1 * draw(weight.shape[0], 1), draw(1, weight.shape[1]) / weight.shape[1] ** 0.5
                tensors |= {f"{network}:{number}:up": up, f"{network}:{number}:down": down}
                merged[path] = (weight.double() + up.double() @ down.double(), None)
        file = self.save("numbered.safetensors", tensors, metadata={"unet": '["CrossAttention", "GEGLU"]', "unet:0:rank": "1"})
        self.compare("cloneofsimo, numbered", self.ours(file), self.reference(*self.merged(merged)))

    def check_peft(self) -> None:
        linear = [path.removeprefix("unet.") for path in LINEAR[:4]]
        configs = {
            "LoRA": LoraConfig(r=RANK, lora_alpha=6, target_modules=linear + KERNELS, init_lora_weights=False),
            "rsLoRA": LoraConfig(r=RANK, lora_alpha=6, target_modules=linear, init_lora_weights=False, use_rslora=True),
            "LoRA with biases": LoraConfig(r=RANK, lora_alpha=6, target_modules=linear, init_lora_weights=False, lora_bias=True),
            "whole modules": LoraConfig(r=RANK, lora_alpha=6, target_modules=linear, init_lora_weights=False, modules_to_save=["conv_out"]),
            "DoRA": LoraConfig(r=RANK, lora_alpha=6, target_modules=linear + KERNELS, init_lora_weights=False, use_dora=True),
            "IA3": IA3Config(target_modules=linear, feedforward_modules=linear[2:3], init_ia3_weights=False),
            "AdaLoRA": AdaLoraConfig(init_r=RANK, target_r=2, lora_alpha=6, target_modules=linear, init_lora_weights=False, total_step=10),
        }
        for title, config in configs.items():
            model = get_peft_model(copy.deepcopy(self.unet), config)
            draw = Draw(4)
            for name, parameter in model.named_parameters():
                if "modules_to_save" in name:
                    parameter.data *= 1.3
                elif "lora_magnitude" in name:
                    parameter.data *= 1 + 0.2 * draw(*parameter.shape)
                elif "ia3_l" in name:
                    parameter.data = 1 + 0.3 * draw(*parameter.shape)
                elif "lora_E" in name:
                    parameter.data = 1 + 0.3 * draw(*parameter.shape)
                elif "lora_" in name and "ranknum" not in name:
                    parameter.data = 0.3 * draw(*parameter.shape) / (parameter[0].numel() ** 0.5 if parameter.dim() > 1 else 1)
            model.save_pretrained(self.folder / f"peft-{title}")
            self.compare(f"PEFT, {title}", self.ours(self.folder / f"peft-{title}"), self.reference(model.base_model.model, self.text_encoder))

    def check_peft_of_the_text_encoder(self) -> None:
        config = LoraConfig(r=RANK, lora_alpha=6, target_modules=["q_proj", "out_proj", "fc2"], init_lora_weights=False)
        model = get_peft_model(copy.deepcopy(self.text_encoder), config)
        draw = Draw(4)
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.data = draw(*parameter.shape) / parameter[0].numel() ** 0.5
        model.save_pretrained(self.folder / "peft-text")
        self.compare("PEFT, LoRA of the text encoder", self.ours(self.folder / "peft-text"), self.reference(self.unet, model.base_model.model))

    def check_diffusers(self) -> None:
        """What diffusers' loader makes of a kohya file with convolutions."""
        parts = self.adapter("lora")[0] | self.adapter("locon")[0]
        file = self.kohya("for-diffusers.safetensors", {path: p for path, p in parts.items() if "blocks" in path})
        pipe = StableDiffusionPipeline(unet=copy.deepcopy(self.unet), text_encoder=self.text_encoder, tokenizer=self.tokenizer,
                                       scheduler=self.scheduler, vae=None, safety_checker=None, feature_extractor=None,
                                       requires_safety_checker=False)  # fmt: skip
        pipe.load_lora_weights(self.folder, weight_name=file.name)
        self.compare("LoCon, loaded by diffusers", self.ours(file), self.reference(pipe.unet, self.text_encoder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generate", type=Path, required=True, help="build/bin/generate")
    parser.add_argument("--size", default="tiny", help="of make_model.py")
    parser.add_argument("--only", default=",".join(KINDS), help="kinds, of the full size for example")
    arguments = parser.parse_args()
    model = make_model.cached(make_model.parse(["--size", arguments.size, "--cache"]))
    only = arguments.only.split(",")
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        kinds = Kinds(arguments.generate, model, Path(folder), 64 if arguments.size == "tiny" else 256)
        kinds.check_kinds(only)
        if only == list(KINDS):
            for check in (kinds.check_mixed, kinds.check_names, kinds.check_numbered, kinds.check_peft,
                          kinds.check_peft_of_the_text_encoder, kinds.check_diffusers):
                check()
    print(f"{kinds.compared} comparisons, worst relative error {kinds.worst:.2e}, allowed {TOLERANCE:.0e}")
    raise SystemExit(0 if kinds.worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
