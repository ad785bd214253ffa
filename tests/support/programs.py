"""Runs the built programs for the system tests. The build directory comes in SDLORA_BUILD, the small model and its cache, which ctest
makes once, in SDLORA_TINY_MODEL and SDLORA_TINY_CACHE."""
import dataclasses
import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ.get("SDLORA_BUILD", "build")).resolve()
TINY_MODEL = pathlib.Path(os.environ.get("SDLORA_TINY_MODEL", BUILD / "models/tiny"))
TINY_CACHE = pathlib.Path(os.environ.get("SDLORA_TINY_CACHE", BUILD / "models/tiny-cache"))

USAGE, BAD_DATA, INTERNAL, IO, STOPPED, DIVERGED, MISMATCH, KILLED = 64, 65, 70, 74, 75, 76, 78, 137

ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1", "--mca", "btl", "self,vader"]


@dataclasses.dataclass
class Result:
    exit_code: int
    output: str  # stdout and stderr together


def command(program, *options, ranks=None):
    """ranks None: the program alone, without mpirun."""
    launcher = [] if ranks is None else [*MPIRUN, "-np", str(ranks)]
    return [*launcher, str(BUILD / "bin" / program), *map(str, options)]


def run(program, *options, ranks=None, timeout_seconds=120):
    done = subprocess.run(command(program, *options, ranks=ranks), env=ENVIRONMENT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout_seconds)
    return Result(done.returncode, done.stdout)


def train_options(output, model=TINY_MODEL, data=TINY_CACHE, **options):
    """A short run of the small model; a keyword overrides or adds an option (max_steps=5 is --max-steps 5, rs_lora=None --rs-lora)."""
    settings = {"model": model, "data": data, "output": output, "max_steps": 6, "warmup_steps": 2, "learning_rate": "1e-3",
                "batch_size": 4, "micro_batch_size": 1, "cpu_threads": 1, "metrics_port": 0, **options}
    return [word for name, value in settings.items() for word in ("--" + name.replace("_", "-"), value) if word is not None]


def train(output, ranks=None, timeout_seconds=120, **options):
    return run("trainer", *train_options(output, **options), ranks=ranks, timeout_seconds=timeout_seconds)
