"""A copy of the small cache with something wrong in it, whose manifest fits all the same: what a hash does not find."""
import hashlib
import json
import shutil

import h5py

import programs


def copy_of_cache(directory, edit=None):
    """edit(shard): changes the open HDF5 file of the first shard."""
    shutil.copytree(programs.TINY_CACHE, directory)
    if edit:
        with h5py.File(directory / "shard-00000.h5", "r+") as shard:
            edit(shard)
        seal(directory)
    return directory


def seal(directory):
    """Makes the manifest fit the files."""
    manifest = json.loads((directory / "manifest.json").read_text())
    for entry in [*manifest["shards"], manifest["text"]]:
        content = (directory / entry["name"]).read_bytes()
        entry.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    (directory / "manifest.json").write_text(json.dumps(manifest))


def another_latent(shard):
    """For copy_of_cache: a sound cache of other data."""
    latents = shard["latent_mean"][0]
    latents[0, 0, 0] += 1
    shard["latent_mean"][0] = latents
