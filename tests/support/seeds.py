"""The seeds of a run's draws, repeated in Python (common/seeds.h), and which sample stands where (trainer/batches/sample_order.h)."""
import torch

PERMUTATION, POSTERIOR_NOISE, NOISE, TIMESTEP, LORA_INIT = range(5)
CAPTION = 8


def split_mix(state):
    mask = (1 << 64) - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return state ^ (state >> 31)


def seed_of(run_seed, step, slot, stream):
    value = split_mix(run_seed)
    for word in (step, slot, stream):
        value = split_mix(value ^ word)
    return value >> 1


def generator(*address):
    return torch.Generator().manual_seed(seed_of(*address))


def sample_at(run_seed, position, sample_count):
    """The sample at `position` = (step - 1) * batch size + slot, step from 1."""
    epoch, place = divmod(position, sample_count)
    return torch.randperm(sample_count, generator=generator(run_seed, epoch, 0, PERMUTATION))[place].item()
