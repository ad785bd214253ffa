"""Replays a run recorded with `trainer --trace-dir` in PyTorch: diffusers' UNet, LoRA written by hand (lora_modules.py), torch.optim.AdamW.

    replay.py --model DIR --run OUTPUT --trace TRACE_DIR

Prints, for each quantity, the largest relative error over the run, and fails above 1e-4: predictions, losses, gradient norms,
final A and B. Draws are repeated from their seeds as well: the latents, noise and timesteps in the trace must be those of the
documented addresses (run seed, step, slot, stream). Where nothing is dropped out, PEFT's and LyCORIS's layers are asked,
too (second_opinion.py).
"""
import argparse
import json
import pathlib
import sys
import tomllib

import h5py
import numpy
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from lora_modules import attach
from noise_and_loss import cell_losses, huber_c_of, is_on, noise_of, number, timestep_of, weight_of
from second_opinion import bounded_by_lycoris, compare_with_others, relative_error
from seeds import FLIP, INPUT_NOISE, NOISE, POSTERIOR_NOISE, TIMESTEP, generator, sample_at

TOLERANCE = 1e-4


class Cache:
    """The shards that cache_latents wrote."""

    def __init__(self, directory):
        directory = pathlib.Path(directory)
        shards = [h5py.File(file) for file in sorted(directory.glob("shard-*.h5"))]
        self.count = sum(len(shard["source"]) for shard in shards)
        planes = ["", "_flip"] if "latent_mean_flip" in shards[0] else [""]  # of picture i that of its mirror image is i + count
        self.mean = [mean for plane in planes for shard in shards for mean in shard[f"latent_mean{plane}"][:]]  # of several sizes, maybe
        self.std = [std for plane in planes for shard in shards for std in shard[f"latent_std{plane}"][:]]
        listed = json.loads((directory / "manifest.json").read_text()).get("subsets", [{}])
        self.is_reg = [subset.get("is_reg", False) for subset in listed]
        self.is_flipped_by_chance = [subset.get("is_flipped_by_chance", False) for subset in listed]
        repeats = [count for shard in shards for count in (shard["repeats"][:] if "repeats" in shard else [1] * len(shard["source"]))]
        of_size = {}  # the cache has them by size
        mirrored = any(self.is_flipped_by_chance) or len(planes) == 1  # then these are no samples of their own
        for sample, (mean, count) in enumerate(zip(self.mean[:self.count] if mirrored else self.mean, repeats * len(planes))):
            of_size.setdefault(mean.shape, []).extend([sample] * int(count))
        self.groups = list(of_size.values())
        self.masks = [mask for shard in shards for mask in (shard["mask"][:] if "mask" in shard else [None] * len(shard["source"]))]
        self.subset = [subset for shard in shards for subset in (shard["subset"][:] if "subset" in shard else [0] * len(shard["source"]))]
        self.captions = []  # places of each sample's
        for shard in shards:
            others = shard["other_captions"][:] if "other_captions" in shard else [b""] * len(shard["source"])
            self.captions += [[int(first), *map(int, other.split())] for first, other in zip(shard["caption_index"][:], others)]
        with h5py.File(directory / "text.h5") as file:
            self.embedding, self.texts = file["embedding"][:], [text.decode() for text in file["caption"][:]]


def check_draws(config, cache, scaling_factor, scheduler, tokenizer, trace, text, step, slot):
    """The trace's inputs are what the documented seeds give."""
    seed, batch_size = int(config.get("seed", 0)), int(config["batch-size"])
    index, _ = sample_at(seed, step * batch_size + slot, cache.groups, int(config["micro-batch-size"]))
    picture = index % cache.count
    if cache.is_flipped_by_chance[cache.subset[picture]]:
        index += cache.count * torch.randint(2, (1,), generator=generator(seed, step, slot, FLIP)).item()
    assert trace["sample_index"].item() == index, (step, slot, trace["sample_index"], index)
    mean, std = torch.from_numpy(cache.mean[index]), torch.from_numpy(cache.std[index])
    posterior = torch.randn(mean.shape, generator=generator(seed, step, slot, POSTERIOR_NOISE))
    noise = noise_of(config, mean.shape, generator(seed, step, slot, NOISE))
    if int(config.get("multires-noise-iterations", 0)) > 0:  # is enlarged by kernels that may round otherwise
        torch.testing.assert_close(trace["noise"], noise, rtol=1e-5, atol=1e-6)
    else:
        assert torch.equal(trace["noise"], noise)
    if gamma := number(config, "ip-noise-gamma"):
        more = gamma * torch.randn(mean.shape, generator=generator(seed, step, slot, INPUT_NOISE))
        torch.testing.assert_close(trace["added_noise"], trace["noise"] + more, rtol=1e-6, atol=1e-6)
    timestep = timestep_of(config, generator(seed, step, slot, TIMESTEP))
    assert torch.equal(trace["timestep"], timestep), (step, slot, trace["timestep"], timestep)
    torch.testing.assert_close(trace["latents"], (mean + std * posterior) * scaling_factor, rtol=1e-6, atol=1e-6)
    if is_on(config, "masked-loss"):
        mask = torch.from_numpy(cache.masks[picture]).clamp_min(float(config.get("unmasked-weight", 0)))
        mask = mask.flip(1) if index != picture else mask
        assert torch.equal(trace["mask"][0], mask), (step, slot)
    alphas, predicts_velocity = scheduler.alphas_cumprod, scheduler.config.prediction_type == "v_prediction"
    weight = weight_of(config, timestep, alphas, predicts_velocity) * (number(config, "prior-loss-weight", 1) if cache.is_reg[cache.subset[picture]] else 1)
    numpy.testing.assert_allclose(trace.get("loss_weight", torch.tensor(1.0)).item(), weight, rtol=2e-6, err_msg=str((step, slot)))
    if "huber_c" in trace:
        numpy.testing.assert_allclose(trace["huber_c"].item(), huber_c_of(config, timestep, alphas), rtol=2e-6)
    if is_on(config, "train-text-encoder"):
        assert torch.equal(trace["input_ids"], tokenizer(text, padding="max_length", truncation=True, return_tensors="pt").input_ids[0])
        return
    for caption in cache.captions[picture]:
        if text == cache.texts[caption]:  # else changing_captions_test.py compares it with transformers
            assert torch.equal(trace["encoder_hidden_states"], torch.from_numpy(cache.embedding[caption]))


def scheduler_of(config, model):
    options = {}
    if config.get("prediction-type", "auto") != "auto":
        options["prediction_type"] = config["prediction-type"]
    if config.get("zero-terminal-snr", "auto") != "auto":
        options["rescale_betas_zero_snr"] = config["zero-terminal-snr"] == "on"
    return DDPMScheduler.from_pretrained(model, subfolder="scheduler", **options)


def trace_file(trace_directory, step, slot):
    return trace_directory / f"step-{step + 1:06}.sample-{slot:06}.safetensors"


def text_of(trace_directory, step, slot):
    with safe_open(trace_file(trace_directory, step, slot), "pt") as opened:
        return opened.metadata()["text"]


def by_size(traces):
    """Lists of traces whose latents are of one shape."""
    lists = {}
    for trace in traces:
        lists.setdefault(trace["latents"].shape, []).append(trace)
    return lists.values()


def replay(model, run, trace_directory):
    config = tomllib.loads((run / "config.toml").read_text())
    steps = [json.loads(line) for line in (trace_directory / "step.jsonl").read_text().splitlines()]

    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet", variant=None).requires_grad_(False)
    scheduler = scheduler_of(config, model)
    scaling_factor = json.loads((pathlib.Path(model) / "vae/config.json").read_text()).get("scaling_factor", 0.18215)
    initial = load_file(trace_directory / "adapter-init.safetensors")
    for index, (name, a) in enumerate((n, t) for n, t in initial.items() if n.endswith(".lora_A")):
        assert a.abs().max() <= 1 / a[0].numel() ** 0.5 and not initial[name.replace("lora_A", "lora_B")].any()
    text_encoder = CLIPTextModel.from_pretrained(model, subfolder="text_encoder").requires_grad_(False)
    modules = attach(config, unet, text_encoder, initial)
    parameters = [p for module in modules.values() for p in (module.a, module.b, module.magnitude) if p is not None]
    rate_of_b = number(config, "lora-plus-ratio") or 1
    rate_of_text = (number(config, "text-encoder-learning-rate") or number(config, "learning-rate")) / number(config, "learning-rate")
    groups = []
    for path, module in modules.items():
        rate = rate_of_text if path.startswith("text_model.") else 1
        groups += [{"params": [module.a], "rate": rate}, {"params": [module.b], "rate": rate * rate_of_b}]
        if module.magnitude is not None:
            groups.append({"params": [module.magnitude], "rate": rate})
    optimizer = torch.optim.AdamW(groups, lr=0, betas=(float(config["adam-beta1"]), float(config["adam-beta2"])),
                                  eps=float(config["adam-eps"]), weight_decay=float(config["weight-decay"]))
    cache = Cache(config["data"])
    tokenizer = CLIPTokenizer.from_pretrained(model, subfolder="tokenizer")
    scaled = 0
    worst = {"prediction": 0.0, "loss": 0.0, "gradient norm": 0.0}
    for record in steps:
        step = record["step"] - 1
        traces = [load_file(trace_file(trace_directory, step, slot))
                  for slot in range(int(config["batch-size"]))]
        for slot, trace in enumerate(traces):
            check_draws(config, cache, scaling_factor, scheduler, tokenizer, trace,
                        text_of(trace_directory, step, slot), step, slot)
        loss = 0
        for of_one_size in by_size(traces):
            for module in modules.values():
                module.step, module.slots = step, [slot for slot, trace in enumerate(traces) if any(trace is one for one in of_one_size)]
            latents, noise, t, ours = (torch.stack([trace[name] for trace in of_one_size]) for name in (
                "latents", "noise", "timestep", "prediction"))
            if is_on(config, "train-text-encoder"):
                captions = text_encoder(torch.stack([trace["input_ids"] for trace in of_one_size])).last_hidden_state
            else:
                captions = torch.stack([trace["encoder_hidden_states"] for trace in of_one_size])
            added = torch.stack([trace.get("added_noise", trace["noise"]) for trace in of_one_size])
            noisy = scheduler.add_noise(latents, added, t)
            target = noise if scheduler.config.prediction_type == "epsilon" else scheduler.get_velocity(latents, noise, t)
            prediction = unet(noisy, t, captions).sample
            masks = torch.stack([trace.get("mask", torch.ones(1, *latents.shape[2:])) for trace in of_one_size])
            weights = torch.stack([trace.get("loss_weight", torch.tensor(1.0)) for trace in of_one_size])
            huber_c = torch.stack([trace.get("huber_c", torch.tensor(1.0)) for trace in of_one_size]).view(-1, 1, 1, 1)
            cells = cell_losses(config, prediction, target, huber_c)
            share = ((cells * masks).mean(dim=(1, 2, 3)) * weights).sum() / len(traces)
            share.backward()
            loss += share.item()
            for sample, reference in zip(ours, prediction.detach()):
                worst["prediction"] = max(worst["prediction"], relative_error(sample, reference))
        norm = torch.nn.utils.clip_grad_norm_(parameters, float(config["max-grad-norm"])).item()
        for group in optimizer.param_groups:
            group["lr"] = record["learning_rate"] * group["rate"]
        optimizer.step()
        optimizer.zero_grad()
        if bound := number(config, "max-weight-norm"):
            theirs = {path: bounded_by_lycoris(module, bound) for path, module in modules.items()} if record is steps[-1] else {}
            scaled += sum(module.bound_norm(bound) for module in modules.values())
            for path, bounded in theirs.items():
                worst["LyCORIS's bounded"] = max(worst.get("LyCORIS's bounded", 0.0), relative_error(modules[path].change().view_as(bounded), bounded))
        worst["loss"] = max(worst["loss"], abs(record["loss"] - loss) / abs(loss))
        worst["gradient norm"] = max(worst["gradient norm"], abs(record["grad_norm"] - norm) / norm)

    final = torch.load(run / "lora_weights.pt")
    assert set(final) == set(initial), "lora_weights.pt holds other names than the adapter before step 1"
    moved = sum((final[n] - initial[n]).norm() ** 2 for n in final) ** 0.5
    assert moved > 0, "the adapter did not change"
    worst["final A"] = max(relative_error(final[p + ".lora_A"], m.a.detach()) for p, m in modules.items())
    is_dora = config.get("lora-kind") == "dora"
    if is_dora:
        worst["final m"] = max(relative_error(final[p + ".lora_magnitude_vector"], m.magnitude.detach()) for p, m in modules.items())
    worst["final B"] = max(relative_error(final[p + ".lora_B"], m.b.detach()) for p, m in modules.items())
    assert scaled > 0 or not number(config, "max-weight-norm"), "no module reached the bound"
    if not any(number(config, f"lora-{which}dropout") for which in ("", "rank-", "module-")):
        worst |= compare_with_others(model, unet, modules, (noisy, t, captions.detach()), is_dora)  # on what the last step had
    print(f"replay of {len(steps)} steps, {len(modules)} modules, {sum(p.numel() for p in parameters)} parameters:")
    for name, error in worst.items():
        print(f"  {name:20} largest relative error {error:.2e}")
    failed = [name for name, error in worst.items() if not error < TOLERANCE]
    if failed:
        sys.exit(f"above {TOLERANCE}: {', '.join(failed)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--trace", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    replay(arguments.model, arguments.run, arguments.trace)


if __name__ == "__main__":
    main()
