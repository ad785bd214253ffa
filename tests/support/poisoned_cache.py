"""Copies a cache and poisons some of its samples, so that the loss of every micro-batch with one of them is NaN.

A reader refuses NaN and infinity, so the poison is a finite number: a standard deviation of 3e38. Multiplied by the posterior's noise it
overflows to infinity in a part of the latents, whatever the timestep, and the first convolution subtracts infinity from infinity.
"""
import hashlib
import json
import pathlib
import shutil

import h5py
import programs
import seeds

HUGE = 3e38


def sample_count(cache=programs.TINY_CACHE):
    return json.loads((cache / "manifest.json").read_text())["sample_count"]


def samples_of(steps, slots, batch_size=4, run_seed=0, cache=programs.TINY_CACHE):
    """The samples that stand in these slots of the batches of these steps (from 1)."""
    groups = [list(range(sample_count(cache)))]
    return sorted({seeds.sample_at(run_seed, (step - 1) * batch_size + slot, groups, 1)[0] for step in steps for slot in slots})


def poison(copy, samples, cache=programs.TINY_CACHE):
    """`copy`: a directory to make. Returns the names of the poisoned pictures, in the order of `samples`."""
    shutil.copytree(cache, copy)
    manifest_file = pathlib.Path(copy) / "manifest.json"
    manifest = json.loads(manifest_file.read_text())
    names, first = {}, 0
    for shard in manifest["shards"]:
        file = pathlib.Path(copy) / shard["name"]
        with h5py.File(file, "r+") as content:
            for sample in samples:
                if first <= sample < first + shard["samples"]:
                    content["latent_std"][sample - first] = HUGE
                    names[sample] = content["source"][sample - first].decode()
        shard["bytes"], shard["sha256"] = file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()
        first += shard["samples"]
    manifest_file.write_text(json.dumps(manifest))
    return [names[sample] for sample in samples]
