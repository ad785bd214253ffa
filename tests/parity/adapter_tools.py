"""The program `adapter` beside direct computations in PyTorch, on a full-size module list: sums, cuts to lower ranks, norms; and PEFT reads
what it writes for PEFT.

    python adapter_tools.py --adapter build/bin/adapter --probe build/bin/model_probe
"""
import argparse
import copy
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
import make_model  # noqa: E402
import reference_model  # noqa: E402
from ldm_layout import to_ldm  # noqa: E402

TOLERANCE = 1e-5
MODULES = {  # of Stable Diffusion 1.5: kohya's name, the weight's shape
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q": (320, 320),
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k": (1280, 768),
    "lora_unet_up_blocks_2_attentions_1_proj_in": (640, 640, 1, 1),
    "lora_unet_down_blocks_1_resnets_0_conv1": (640, 320, 3, 3),
    "lora_te_text_model_encoder_layers_3_mlp_fc1": (3072, 768),
}


def drawn(seed, rank, alpha):
    draw = torch.Generator().manual_seed(seed)
    tensors = {}
    for place, (name, (out, inner, *kernel)) in enumerate(MODULES.items()):
        decay = torch.logspace(0, -0.5 - 0.7 * place, rank)  # so that singular values differ, in each module otherwise
        tensors[f"{name}.lora_down.weight"] = torch.randn(rank, inner, *kernel, generator=draw)
        tensors[f"{name}.lora_up.weight"] = (torch.randn(out, rank, generator=draw) * decay).reshape(out, rank, *[1] * len(kernel))
        tensors[f"{name}.alpha"] = torch.tensor(float(alpha))
    return tensors


def changes(tensors):
    """ΔW by module, [out, in · k · k] in fp64."""
    result = {}
    for name in {name.split(".")[0] for name in tensors}:
        down, up = tensors[f"{name}.lora_down.weight"].double(), tensors[f"{name}.lora_up.weight"].double()
        result[name] = up.flatten(1) @ down.flatten(1) * (tensors[f"{name}.alpha"].item() / down.shape[0])
    return result


class Tools:
    def __init__(self, adapter, probe, folder):
        self.adapter, self.probe, self.folder, self.worst = adapter, probe, folder, 0.0

    def run(self, *arguments):
        done = subprocess.run([self.adapter, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"adapter {arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def compare(self, title, seen, expected):
        error = max(((seen[name] - expected[name]).norm() / expected[name].norm()).item() for name in expected)
        self.worst = max(self.worst, error if seen.keys() == expected.keys() else float("inf"))
        print(f"  {title:66} relative error {error:.2e}", flush=True)

    def check_merge(self, one, two):
        out = self.folder / "merged.safetensors"
        self.run("merge", f"{one}:0.7", f"{two}:-0.3", "--output", out)
        first, second = changes(load_file(one)), changes(load_file(two))
        expected = {name: 0.7 * first[name] - 0.3 * second[name] for name in first}
        self.compare("merge: 0.7 of rank 8 and -0.3 of rank 5", changes(load_file(out)), expected)
        self.run("merge", f"{one}:0.7", f"{two}:-0.3", "--rank", 6, "--output", out)
        self.compare("merge --rank 6: the best of that rank", changes(load_file(out)), {name: best(expected[name], 6) for name in expected})

    def check_resize(self, one):
        out = self.folder / "small.safetensors"
        said = self.run("resize", one, "--rank", 3, "--output", out)
        before = changes(load_file(one))
        expected = {name: best(before[name], 3) for name in before}
        self.compare("resize --rank 3", changes(load_file(out)), expected)
        lost = sum((before[n] - expected[n]).square().sum() for n in before).sqrt() / sum(before[n].square().sum() for n in before).sqrt()
        printed = float(re.search(r"([\d.e-]+) % of what it adds is lost", said)[1]) / 100
        if abs(printed / lost.item() - 1) > 0.01:
            raise SystemExit(f"resize says that {printed} is lost; it is {lost.item()}")
        for rule, x in (("sv_ratio", 5), ("sv_fro", 0.9), ("sv_cumulative", 0.8)):
            self.run("resize", one, "--rank", 8, "--dynamic", f"{rule}:{x}", "--output", out)
            ranks = {name: load_file(out)[f"{name}.lora_down.weight"].shape[0] for name in before}
            wanted = {name: min(rank_by(rule, x, torch.linalg.svdvals(before[name])), 8) for name in before}
            if ranks != wanted:
                raise SystemExit(f"resize --dynamic {rule}:{x} gives {ranks}, sd-scripts' rule {wanted}")
            self.compare(f"resize --dynamic {rule}:{x}: ranks {sorted(ranks.values())}", changes(load_file(out)),
                         {name: best(before[name], ranks[name]) for name in before})
        with safe_open(out, "pt") as file:
            if file.metadata()["ss_network_dim"] != "Dynamic" and len(set(ranks.values())) > 1:
                raise SystemExit("ss_network_dim is not Dynamic")

    def check_inspect(self, one):
        said = json.loads(self.run("inspect", one, "--json"))
        expected = changes(load_file(one))
        norms = {norm["block"]: norm["norm"] for norm in said["norms"]}
        blocks = {"down_blocks.0": [0], "down_blocks.1": [3], "mid_block": [1], "up_blocks.2": [2], "text_model": [4]}
        names = list(MODULES)
        wanted = {block: torch.tensor(sum(expected[names[i]].square().sum().item() for i in places)).sqrt() for block, places in blocks.items()}
        self.compare("inspect: norms by block", {block: torch.tensor(norm) for block, norm in norms.items()}, wanted)
        if said["family"] != "Stable Diffusion 1.x" or said["nonfinite"] or sum(sum(g["kinds"].values()) for g in said["groups"]) != len(MODULES):
            raise SystemExit(f"inspect says {said}")

    def check_extract(self):
        """Of the small model and one whose weights a known adapter and noise have changed."""
        model = make_model.cached(make_model.parse(["--size", "tiny", "--cache"]))
        tuned = self.folder / "tuned"
        shutil.copytree(model, tuned)
        differences, draw = {}, torch.Generator().manual_seed(6)
        for part, prefix in ("unet", "lora_unet_"), ("text_encoder", "lora_te_"):
            file = next((tuned / part).glob("*.safetensors"))
            weights = {name: tensor.float() for name, tensor in load_file(file).items()}
            for name in [name for name in weights if re.search(r"(to_[qkv]|to_out.0|ff.net.*|proj_in|proj_out|_proj|fc1|fc2|conv1)\.weight$", name)]:
                if "time_emb" in name or "add_" in name:
                    continue
                change = torch.randn(weights[name].shape, generator=draw) * 0.05
                weights[name] += change
                path = name.removesuffix(".weight") if part == "unet" or name.startswith("text_model.") else "text_model." + name.removesuffix(".weight")
                differences[prefix + path.replace(".", "_")] = change
            save_file(weights, file, metadata={"format": "pt"})
        out = self.folder / "extracted.safetensors"
        self.run("extract", "--base", model, "--tuned", tuned, "--rank", 6, "--conv-rank", 4, "--output", out)
        seen = changes(load_file(out))
        of_difference = {name: best(change.double().flatten(1), 4 if change.dim() == 4 and change.shape[2] > 1 else 6)
                         for name, change in differences.items()}
        self.compare(f"extract: {len(of_difference)} modules, the best of their ranks", {name: seen[name] for name in of_difference}, of_difference)

    def check_apply(self):
        """Into the small model as a directory and as one file, beside W + 0.8 s B A; fp16 too. The rest stays as it is."""
        model = make_model.cached(make_model.parse(["--size", "tiny", "--cache"]))
        weights = {part: {n: t for file in sorted((model / part).glob("*.safetensors")) for n, t in load_file(file).items()}
                   for part in ("unet", "text_encoder")}
        draw, tensors, expected = torch.Generator().manual_seed(7), {}, copy.deepcopy(weights)
        for part, prefix in ("unet", "lora_unet_"), ("text_encoder", "lora_te_"):
            for name in [name for name in weights[part] if name.endswith((".weight")) and weights[part][name].dim() in (2, 4)]:
                if "embedding" in name and part == "text_encoder":
                    continue
                out, inner, *kernel = weights[part][name].shape
                path = name.removesuffix(".weight")
                key = prefix + (path if part == "unet" or path.startswith("text_model.") else "text_model." + path).replace(".", "_")
                down = torch.randn(2, inner, *kernel, generator=draw) / inner**0.5
                up = torch.randn(out, 2, *[1] * len(kernel), generator=draw) * 0.1
                tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": torch.tensor(3.0)}
                change = 0.8 * 1.5 * (up.flatten(1).double() @ down.flatten(1).double())
                expected[part][name] = (weights[part][name].double() + change.reshape(weights[part][name].shape)).float()
        adapter, merged = self.folder / "for-apply.safetensors", self.folder / "merged-model"
        save_file(tensors, adapter)
        self.run("apply", "--model", model, f"{adapter}:0.8", "--output", merged)
        flat = {f"{part}.{name}": tensor for part in expected for name, tensor in expected[part].items()}

        def read(folder):
            return {f"{part}.{name}": t for part in expected for file in sorted((folder / part).glob("*.safetensors")) for name, t in load_file(file).items()}
        floats = {name for name, tensor in flat.items() if tensor.is_floating_point() and tensor.norm() > 0}
        self.compare(f"apply to a directory: {len(tensors) // 3} modules", {n: t for n, t in read(merged).items() if n in floats},
                     {n: flat[n] for n in floats})
        rest = [file.relative_to(model) for file in model.rglob("*") if file.is_file() and file.parent.name not in ("unet", "text_encoder")]
        if any((model / file).read_bytes() != (merged / file).read_bytes() for file in rest):
            raise SystemExit("apply changes other files of the directory")
        file, merged_file = self.folder / "tiny-ldm.safetensors", self.folder / "merged-ldm.safetensors"
        save_file({name: t.half() if t.is_floating_point() else t for name, t in to_ldm(model).items()}, file, metadata={"modelspec.license": "mine"})
        self.run("apply", "--model", file, f"{adapter}:0.8", "--save-dtype", "float", "--output", merged_file)
        of_file, of_folder = load_file(merged_file), to_ldm(merged)
        if of_file.keys() != of_folder.keys():
            raise SystemExit("apply to a file changes its names")
        change = {n: of_file[n] - load_file(file)[n].float() for n in of_file if of_file[n].is_floating_point()}
        wanted = {n: of_folder[n].float() - to_ldm(model)[n].float() for n in change}
        changed = [n for n in wanted if wanted[n].norm() > 0]
        self.compare(f"apply to a file of fp16, written in fp32: {len(changed)} weights", {n: change[n] for n in changed}, {n: wanted[n] for n in changed})
        if any(change[n].norm() > 0 for n in change if n not in changed):
            raise SystemExit("apply changes weights that the adapter does not have")
        with safe_open(merged_file, "pt") as opened:
            said = opened.metadata()
        if said.get("modelspec.license") != "mine" or said.get("modelspec.merged_from") != "for-apply.safetensors:0.8":
            raise SystemExit(f"the merged file says {said}")
        done = subprocess.run([self.adapter, "apply", "--model", model, adapter, "--output", merged], capture_output=True, text=True)
        if done.returncode != 64 or "it is there" not in done.stderr:
            raise SystemExit(f"apply writes over a directory: {done}")

    def check_refusals(self, one):
        refused = {
            ("convert", one, "--output", "x.pt"): ".safetensors",
            ("convert", one, "--format", "pt", "--output", "x.safetensors"): ".pt",
            ("convert", one, "--format", "pt", "--output", "x.pt", "--save-dtype", "fp16"): "--save-dtype float",
            ("convert", one, "--format", "peft", "--output", "x.safetensors"): "folder",
            ("resize", one, "--output", "x.safetensors"): "--rank",
            ("resize", one, "--rank", 4, "--dynamic", "sv_fro:2", "--output", "x.safetensors"): "sv_fro:X",
            ("apply", one, "--model", "nowhere", "--output", "x.safetensors"): "no such model",
        }
        for arguments, word in refused.items():
            done = subprocess.run([self.adapter, *map(str, arguments)], capture_output=True, text=True, cwd=self.folder)
            if done.returncode != 64 or word not in done.stderr or (self.folder / arguments[-1]).exists():
                raise SystemExit(f"adapter {arguments} ended with {done.returncode}: {done.stderr}")

    def check_peft(self):
        """On the small model, whose output PEFT and we compute: PEFT's folder of an adapter with several ranks and alphas."""
        model = make_model.cached(make_model.parse(["--size", "tiny", "--cache"]))
        base = reference_model.load_unet(model)
        draw = torch.Generator().manual_seed(5)
        tensors = {}
        paths = [name for name, module in base.named_modules() if name.endswith(("to_q", "to_k", "proj_in", "conv1"))]
        for place, path in enumerate(paths):
            out, inner, *kernel = base.get_submodule(path).weight.shape
            rank, name = 2 + place % 3, "lora_unet_" + path.replace(".", "_")
            tensors |= {f"{name}.lora_down.weight": torch.randn(rank, inner, *kernel, generator=draw) / inner**0.5,
                        f"{name}.lora_up.weight": torch.randn(out, rank, *[1] * len(kernel), generator=draw) * 0.1,
                        f"{name}.alpha": torch.tensor(1.0 + place % 4)}
        file, folder = self.folder / "tiny.safetensors", self.folder / "peft"
        save_file(tensors, file)
        self.run("convert", file, "--format", "peft", "--output", folder)
        inputs = {"unet.sample": torch.randn(2, base.config.in_channels, 16, 16, generator=draw), "unet.timestep": torch.tensor([7, 903]),
                  "unet.encoder_hidden_states": torch.randn(2, 77, base.config.cross_attention_dim, generator=draw)}
        save_file(inputs, self.folder / "in.safetensors")
        subprocess.run([self.probe, "--model", model, "--lora", file, "--inputs", self.folder / "in.safetensors", "--outputs",
                        self.folder / "out.safetensors"], check=True, capture_output=True)
        peft = PeftModel.from_pretrained(copy.deepcopy(base), folder)
        with torch.no_grad():
            theirs = peft(*inputs.values()).sample
            moved = ((base(*inputs.values()).sample - theirs).norm() / theirs.norm()).item()
        if moved < 0.01:
            raise SystemExit("the adapter changes nothing")
        self.compare("convert --format peft, read by PEFT", {"unet": load_file(self.folder / "out.safetensors")["unet.out"]}, {"unet": theirs})
        for start, back in ((folder, "again.safetensors"), (file, "ours.pt")):
            self.run("convert", start, "--format", "pt" if back.endswith("pt") else "kohya", "--output", self.folder / back)
        self.run("convert", self.folder / "ours.pt", "--output", self.folder / "and-back.safetensors")
        for name in ("again.safetensors", "and-back.safetensors"):
            again = load_file(self.folder / name)
            if again.keys() != tensors.keys() or any(not torch.equal(again[key], tensors[key]) for key in tensors):
                raise SystemExit(f"{name} is not what was converted")


def best(change, rank):
    u, s, vh = torch.linalg.svd(change, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vh[:rank]


def rank_by(rule, x, s):
    """sd-scripts' resize_lora.py, as its documentation has it: one more than the rule needs."""
    if rule == "sv_ratio":
        needed = int((s > s[0] / x).sum())
    else:
        parts, share = (s, x) if rule == "sv_cumulative" else (s.square(), x * x)
        needed = int((parts.cumsum(0) / parts.sum() < share).sum()) + 1
    return max(1, min(needed, len(s) - 1)) + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--probe", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        tools = Tools(arguments.adapter.resolve(), arguments.probe.resolve(), folder)
        one, two = folder / "one.safetensors", folder / "two.safetensors"
        save_file(drawn(1, 8, 4), one)
        save_file(drawn(2, 5, 5), two)
        tools.check_merge(one, two)
        tools.check_resize(one)
        tools.check_inspect(one)
        tools.check_refusals(one)
        tools.check_extract()
        tools.check_apply()
        tools.check_peft()
    print(f"worst relative error {tools.worst:.2e}, allowed {TOLERANCE:.0e}")
    raise SystemExit(0 if tools.worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
