"""How cost grows with the number of ranks: measured here on the CPU with the small model, projected to many GPUs (projection.py).

    bench/growth/growth.py [--build build] [--out bench/results/growth.md] [--steps 12]

Run it with the Python of launcher/setup.sh, on an idle machine."""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

import projection

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "demo/tiny-sd"
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl", "self,vader", "-np"]
BLOCK_BYTES = 512  # of getrusage's ru_inblock
WARM_UP_STEPS = 2


def run(*command):
    return subprocess.run([str(word) for word in command], env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout


class Machine:
    def __init__(self, build, folder, steps):
        self.build, self.folder, self.steps = build, folder, steps
        pictures = folder / "pictures"
        run(sys.executable, ROOT / "demo/draw.py", "--style", "ink", "--count", 32, "--seed", 1, "--out", pictures)
        run(build / "bin/cache_latents", "--model", MODEL, "--images", pictures, "--output", folder / "cache", "--img-size", 96,
            "--cpu-threads", 1)

    def trainer(self, ranks, output, batch_size, *more):
        return run(*MPIRUN, ranks, self.build / "bin/trainer", "--model", MODEL, "--data", self.folder / "cache", "--output", output,
                   "--batch-size", batch_size, "--micro-batch-size", 1, "--cpu-threads", 1, "--metrics-port", 0, "--checkpoint-every", 0,
                   "--max-steps", self.steps, *more)

    def step_seconds(self, ranks, batch_size, reduction):
        output = self.folder / f"{reduction}-{ranks}-{batch_size}"
        self.trainer(ranks, output, batch_size, "--reduction", reduction)
        records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        return statistics.median(record["step_seconds"] for record in records[WARM_UP_STEPS:])

    def reductions(self, ranks, parameters):
        lines = run(*MPIRUN, ranks, self.build / "tests/all_reduce_benchmark", parameters).splitlines()
        return [json.loads(line) for line in lines]

    def bytes_read_at_start(self, ranks):
        """From the disk, by all ranks of a dry run together, with the model's files dropped from memory before."""
        for file in MODEL.rglob("*.safetensors"):
            with open(file, "rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock
        self.trainer(ranks, self.folder / "never", 4, "--dry-run")
        return (resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock - before) * BLOCK_BYTES


def growth_of_steps(machine):
    alone = machine.step_seconds(1, 4, "exact")
    for ranks in (1, 2, 4):
        weak = machine.step_seconds(ranks, 4 * ranks, "exact")
        strong = machine.step_seconds(ranks, 4, "exact")
        yield {"ranks": ranks,
               "4 samples a rank, ms a step": 1e3 * weak, "samples a second": 4 * ranks / weak,
               "4 samples in all, ms a step": 1e3 * strong, "times as fast": alone / strong,
               "the same with --reduction fp32, ms": 1e3 * machine.step_seconds(ranks, 4, "fp32")}


def growth_of_reductions(machine, parameters):
    by_ranks = {ranks: machine.reductions(ranks, parameters) for ranks in (1, 2, 4)}
    for index, first in enumerate(by_ranks[1]):
        yield {"what": first["what"], "bytes": first["bytes"],
               **{f"{ranks} rank(s), ms": found[index]["milliseconds"] for ranks, found in by_ranks.items()}}


def growth_of_reading(machine):
    machine.bytes_read_at_start(1)  # programs and libraries come to memory
    model_bytes = sum(file.stat().st_size for file in (MODEL / "unet").glob("*.safetensors"))
    for ranks in (1, 2, 4):
        read = machine.bytes_read_at_start(ranks)
        yield {"ranks on one host": ranks, "bytes read from the disk": read, "times the UNet's file": read / model_bytes}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/growth.md")
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    with tempfile.TemporaryDirectory(prefix="sdlora-growth-") as folder:
        machine = Machine(arguments.build.resolve(), pathlib.Path(folder), arguments.steps)
        parts = [f"# Growth with the number of ranks\n\n`bench/growth/growth.py --steps {arguments.steps}` on {os.cpu_count()} cores of: {cpu}. "
                 "What is measured and how the projection reckons: [`../growth/README.md`](../growth/README.md).\n",
                 "## Steps of demo/tiny-sd at 96², one thread a rank (measured)\n", projection.table(list(growth_of_steps(machine))),
                 f"## The sum of {projection.PARAMETERS:,} gradients, SD 1.5 at rank 16, between ranks of this host (measured)\n",
                 projection.table(list(growth_of_reductions(machine, projection.PARAMETERS))),
                 "## Reading at start-up (measured)\n", projection.table(list(growth_of_reading(machine))),
                 "## Up to 1,024 GPUs (projected; not run on a GPU)\n",
                 "Efficiency: samples a second and GPU, relative to one GPU that sums nothing. 1 % jitter and 8 × 400 Gb/s a host unless said.\n",
                 projection.table(list(projection.rows()))]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join(parts))
    print(arguments.out.read_text())


if __name__ == "__main__":
    main()
