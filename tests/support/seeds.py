"""The seeds of a run's draws, repeated in Python (common/seeds.h), and which sample stands where (trainer/batches/sample_order.h)."""
import torch

PERMUTATION, POSTERIOR_NOISE, NOISE, TIMESTEP, LORA_INIT = range(5)
CAPTION, MICRO_BATCH_ORDER, FLIP, INPUT_NOISE, DROPOUT = range(8, 13)


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


def row_entry(run_seed, group, number, place):
    """Entry `place` of the endless row of permutations of `group`, which is group `number`."""
    epoch, within = divmod(place, len(group))
    return group[torch.randperm(len(group), generator=generator(run_seed, epoch, number, PERMUTATION))[within].item()]


def sample_at(run_seed, position, groups, micro_batch_size):
    """The sample at `position` = (step - 1) * batch size + slot, step from 1, and its epoch, from 0. groups: the samples of each size, each
    as often as an epoch has it."""
    if len(groups) == 1:
        return row_entry(run_seed, groups[0], 0, position), position // len(groups[0])
    micro_batch, within = divmod(position, micro_batch_size)
    epoch = 0
    while True:
        of_epoch = [(number, k) for number, group in enumerate(groups)
                    for k in range(epoch * len(group) // micro_batch_size, (epoch + 1) * len(group) // micro_batch_size)]
        if micro_batch < len(of_epoch):
            break
        micro_batch, epoch = micro_batch - len(of_epoch), epoch + 1
    order = torch.randperm(len(of_epoch), generator=generator(run_seed, epoch, 0, MICRO_BATCH_ORDER))
    number, k = of_epoch[order[micro_batch].item()]
    return row_entry(run_seed, groups[number], number, k * micro_batch_size + within), epoch
