"""The noise, timesteps and losses of a training, by the formulas of kohya's and OneTrainer's options, for the replay in PyTorch.

`config` is the run's config.toml as a dictionary; `alphas` [T] are the schedule's products ᾱ."""
import math

import torch


def number(config, name, default=0.0):
    return float(config.get(name, default))


def is_on(config, name):
    return config.get(name) in (True, "true")


def noise_of(config, shape, generator):
    """[C, H, W]: plain, offset, pyramid."""
    noise = torch.randn(shape, generator=generator)
    if number(config, "noise-offset") > 0:
        noise = noise + number(config, "noise-offset") * torch.randn(shape[0], 1, 1, generator=generator)
    iterations = int(config.get("multires-noise-iterations", 0))
    height, width = shape[1:]
    for level in range(iterations):
        ratio = 2 + 2 * torch.rand(1, generator=generator, dtype=torch.double).item()
        high, wide = max(1, int(height / ratio**level)), max(1, int(width / ratio**level))
        enlarge = torch.nn.Upsample(size=(height, width), mode="bilinear")
        noise = noise + enlarge(torch.randn(1, shape[0], high, wide, generator=generator))[0] * number(config, "multires-noise-discount")**level
        if high == 1 or wide == 1:
            break
    return noise / noise.std() if iterations > 0 else noise


def timestep_of(config, generator, count=1000):
    least, bound = int(config.get("min-timestep", 0)), min(int(config.get("max-timestep", 1000)), count)
    sampling, bias, weight = config.get("timestep-sampling", "uniform"), number(config, "timestep-bias"), number(config, "timestep-weight")
    if sampling == "uniform":
        return torch.randint(least, bound, (1,), generator=generator)[0]
    if sampling == "logit_normal":
        draw = torch.randn(1, generator=generator, dtype=torch.double).item()
        return torch.tensor(least + int((bound - least) / (1 + math.exp(-(bias + (1 + weight) * draw)))))
    place = torch.linspace(0, 1, bound - least, dtype=torch.double)
    chances = {"cos_map": 2 / (math.pi - 2 * math.pi * place + 2 * math.pi * place**2),
               "sigmoid": 1 / (1 + torch.exp(-weight * (place - (bias + 0.5))))}[sampling]
    return least + torch.multinomial(chances, 1, replacement=True, generator=generator)[0]


def weight_of(config, t, alphas, predicts_velocity):
    """By which a sample counts at timestep t."""
    alpha = alphas[t].double().item()
    snr = alpha / (1 - alpha)
    limited, weight = min(snr, 1000), 1.0
    if gamma := number(config, "min-snr-gamma"):
        weight *= min(snr, gamma) / (snr + 1 if predicts_velocity else snr)
    if is_on(config, "scale-v-pred-loss"):
        weight *= limited / (limited + 1)
    if more := number(config, "v-pred-like-loss"):
        weight += weight * more * (limited + 1) / limited
    if is_on(config, "debiased-estimation"):
        weight *= 1 / (limited + 1) if predicts_velocity else limited**-0.5
    return weight


def huber_c_of(config, t, alphas):
    c, schedule = number(config, "huber-c", 0.1), config.get("huber-schedule", "snr")
    if schedule == "exponential":
        return math.exp(t * math.log(c) / len(alphas))
    if schedule == "constant":
        return c
    alpha = alphas[t].double().item()
    sigma = math.sqrt((1 - alpha) / alpha) if alpha > 0 else math.inf
    return (1 - c) / (1 + sigma)**2 + c


def cell_losses(config, prediction, target, huber_c):
    """huber_c [B, 1, 1, 1]"""
    kind = config.get("loss", "mse")
    if kind == "mse":
        return (prediction - target) ** 2
    if kind == "l1":
        return (prediction - target).abs()
    straightened = torch.sqrt((prediction - target) ** 2 + huber_c**2) - huber_c
    return {"huber": 2 * huber_c, "smooth_l1": 2}[kind] * straightened
