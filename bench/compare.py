"""Training steps of Stable Diffusion 1.5 side by side: ours, and diffusers + PEFT as its example script runs it and well tuned.

    bench/compare.py --latents 64 --batch 1 --targets attn               about 15 minutes on 2 cores, 8 GB of memory
    bench/compare.py --latents 32 --rows script,tuned,onednn --rounds 3
    bench/compare.py --latents 64 --rows tuned-bf16,newest-bf16,newest-compile-bf16,ipex-bf16,bf16      after bench/peer_environments.sh
    bench/compare.py --device cuda --batch 8 --rows script-bf16,tuned-bf16,compile-bf16,compile-graph-bf16,bf16,graph --warmup 10 --steps 20

All rows train on the same full-size random model (tests/support/make_model.py), pictures, seeds and settings. A first run of ours
records its inputs; the peers train on them, and their losses and gradient norms must agree with ours before anything is timed. Then
the rows take turns: in every round each runs in a fresh process, alone, first some steps that are not counted. The peak of the
processor is measured in every round, too. Writes a table and a plot into bench/results/.
"""
import argparse
import contextlib
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/support")]
import comparison_report
import programs

TCMALLOC = "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4"
TOLERANCES = {"no": 1e-4, "bf16": 0.03}  # between losses and gradient norms of the same step and fp32's of ours


class Row:
    """One way to train: its name in the table, what it runs, and what it measured in all rounds."""

    def __init__(self, name, peer_options=None, kernels=None, environment=None, precision="no", flags=(), python=None):
        self.name, self.peer_options, self.kernels, self.environment = name, peer_options, kernels, environment or {}
        self.python = python  # of a peer: the folder in --peer-environments that it runs in, if it is not this Python
        self.versions = {}  # of a peer: of its packages, as it reports them
        self.flags = flags  # of ours, besides the kernels and the precision
        self.precision = precision  # as --mixed-precision
        self.step_seconds, self.peak_bytes, self.start_seconds = [], 0, []

    @property
    def is_ours(self):
        return self.kernels is not None

    @property
    def title(self):
        return f"{self.name}, torch {self.versions['torch']}" if self.versions else self.name


def tuned_peer(name, *options, python=None, precision="no"):
    options = ["--channels-last", "--fused", *options, *(["--bf16"] if precision == "bf16" else [])]
    return Row(name, options, environment={"LD_PRELOAD": TCMALLOC}, precision=precision, python=python)


ROWS = {
    "script": Row("diffusers + PEFT, as its script", []),
    "tuned": tuned_peer("diffusers + PEFT, channels last, fused AdamW, tcmalloc"),
    "compile": tuned_peer("the same with torch.compile", "--compile"),
    "aten": Row("sdlora, --cpu-kernels aten", kernels="aten"),
    "onednn": Row("sdlora, --cpu-kernels onednn", kernels="onednn"),
    "auto": Row("sdlora", kernels="auto"),
    "script-bf16": Row("diffusers + PEFT, as its script in bf16", ["--bf16"], precision="bf16"),
    "tuned-bf16": tuned_peer("diffusers + PEFT in bf16, channels last, fused AdamW, tcmalloc", precision="bf16"),
    "aten-bf16": Row("sdlora, bf16, --cpu-kernels aten", kernels="aten", precision="bf16"),
    "bf16": Row("sdlora, --mixed-precision bf16", kernels="auto", precision="bf16"),
    "compile-bf16": tuned_peer("the same in bf16 with torch.compile", "--compile", precision="bf16"),
    "compile-graph-bf16": tuned_peer("the same in bf16 with torch.compile and CUDA graphs", "--compile-graph", precision="bf16"),
    "newest": tuned_peer("diffusers + PEFT on the newest torch, tuned", python="torch-2.15"),
    "newest-bf16": tuned_peer("diffusers + PEFT on the newest torch in bf16, tuned", python="torch-2.15", precision="bf16"),
    "newest-compile": tuned_peer("diffusers + PEFT on the newest torch with torch.compile, tuned", "--compile", python="torch-2.15"),
    "newest-compile-bf16": tuned_peer("diffusers + PEFT on the newest torch in bf16 with torch.compile, tuned", "--compile", python="torch-2.15",
                                      precision="bf16"),
    "ipex": tuned_peer("diffusers + PEFT with Intel's extension, tuned", "--ipex", python="ipex-2.8"),
    "ipex-bf16": tuned_peer("diffusers + PEFT with Intel's extension in bf16, tuned", "--ipex", python="ipex-2.8", precision="bf16"),
    "graph": Row("sdlora, bf16, --cuda-graph", kernels="auto", precision="bf16", flags=["--cuda-graph"]),
}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=int, default=64, help="cells along a side; pictures have 8 times as many pixels")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--targets", choices=["attn", "attn-mlp", "full"], default="attn")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rows", default="script,tuned,aten,auto", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a row in a round")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them; the second still touches memory for the first time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, default=programs.BUILD / "bench", help="caches and runs")
    parser.add_argument("--peer-environments", type=pathlib.Path, help="made by bench/peer_environments.sh",
                        default=pathlib.Path(os.environ.get("SDLORA_HOME") or "~/.cache/sdlora").expanduser() / "peers")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    return parser.parse_args()


class GpuMemory:
    """The most memory of the GPU that is in use while it is watched, looked at twice a second by one nvidia-smi."""

    def __enter__(self):
        self.process = subprocess.Popen(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--loop-ms=500"], text=True,
                                        stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        looks = [int(line) for line in self.process.communicate()[0].split() if line.isdigit()]
        self.peak_bytes = max(looks, default=0) * 2**20


class Ended:
    """A program that has run: its output, the most bytes it had resident, and when (time.monotonic) each line of its log had come."""

    def __init__(self, output, peak_bytes, started_at, line_times):
        self.output, self.peak_bytes, self.started_at, self.line_times = output, peak_bytes, started_at, line_times


def run_and_watch(command, environment, log=None, line_count=1):
    """Runs it to its end, with an eye on the first `line_count` lines of `log`; its failure is ours."""
    started_at, line_times = time.monotonic(), []
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=os.environ | environment)
    output = []
    reader = threading.Thread(target=lambda: output.append(process.stdout.read()))
    reader.start()
    while log and reader.is_alive() and len(line_times) < line_count:
        time.sleep(0.01 if line_count == 1 else 0.002)
        if log.exists() and (new := log.read_bytes().count(b"\n") - len(line_times)) > 0:
            line_times += [time.monotonic()] * new
    reader.join()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {os.waitstatus_to_exitcode(status)} (a signal, if negative):\n{output[0]}")
    return Ended(output[0], usage.ru_maxrss * 1024, started_at, line_times)


def seconds_of(command):
    """Wall time from the start of a process to its end."""
    start = time.monotonic()
    run_and_watch(command, {})
    return time.monotonic() - start


def full_size_model():
    """Stable Diffusion 1.5 with random weights; made once for all clones."""
    return subprocess.run([sys.executable, ROOT / "tests/support/make_model.py", "--size", "full", "--cache"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()[-1]


def drawn_pictures(work, count):
    """A folder of so many pictures with captions, drawn once."""
    work.mkdir(parents=True, exist_ok=True)
    pictures = work / f"pictures-{count}"
    if not pictures.exists():
        subprocess.run([sys.executable, ROOT / "demo/draw.py", "--style", "photograph", "--count", str(count), "--seed", "0", "--out",
                        pictures], check=True, stdout=subprocess.DEVNULL)
    return pictures


def make_inputs(case):
    """The model and a cache of as many pictures as a batch has, both made once."""
    model = full_size_model()
    cache = case.work / f"cache-{case.latents}-{case.batch}"
    if not (cache / "manifest.json").exists():
        pictures = drawn_pictures(case.work, case.batch)
        run_and_watch([programs.BUILD / "bin/cache_latents", "--model", model, "--images", pictures, "--output", cache, "--img-size",
                       8 * case.latents], {})
    return model, cache


def our_command(case, model, cache, output, steps, row, *extra):
    return [programs.BUILD / "bin/trainer", *programs.train_options(
        output, model=model, data=cache, batch_size=case.batch, micro_batch_size=case.batch, max_steps=steps, warmup_steps=0,
        lr_schedule="constant", learning_rate="1e-4", lora_targets=case.targets, cpu_threads=case.threads,
        cpu_kernels=row.kernels, mixed_precision=row.precision, device=case.device, checkpoint_every=0, resume="none", step_timeout=3600),
        *row.flags, *extra]


def metrics_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def fresh(directory):
    subprocess.run(["rm", "-rf", directory], check=True)
    return directory


def python_of(case, row):
    return case.peer_environments / row.python / "bin/python" if row.python else sys.executable


def run_peer(case, model, trace, row, steps, warmup):
    command = [python_of(case, row), ROOT / "bench/peer.py", "--model", model, "--trace", trace, "--targets", case.targets, "--batch", case.batch,
               "--threads", case.threads, "--device", case.device, "--steps", steps, "--warmup", warmup, *row.peer_options]
    spawned_at = time.time()
    ended = run_and_watch(command, row.environment)
    result = json.loads(ended.output.splitlines()[-1])
    row.versions = result["versions"]
    return result, ended.peak_bytes, result["first_step_at"] - spawned_at


def our_losses_and_norms(case, model, cache, row, steps, *extra):
    run = fresh(case.work / "proof")
    run_and_watch(our_command(case, model, cache, run, steps, row, *extra), {})
    return {name: [step[key] for step in metrics_of(run)] for name, key in (("losses", "loss"), ("grad_norms", "grad_norm"))}


def prove_equal_work(case, model, cache, rows):
    """Two steps of ours, recorded; every row must find the same losses and gradient norms. A graph, which is replayed from the fifth step on,
    must find those of eight. Returns the trace."""
    trace = fresh(case.work / "trace")
    ours = {2: our_losses_and_norms(case, model, cache, ROWS["auto"], 2, "--trace-dir", trace)}
    for row in rows:
        steps = 8 if row.flags else 2
        if steps not in ours:
            ours[steps] = our_losses_and_norms(case, model, cache, ROWS["auto"], steps)
        theirs = our_losses_and_norms(case, model, cache, row, steps) if row.is_ours else run_peer(case, model, trace, row, steps, 0)[0]
        for name, key in (("losses", "loss"), ("grad_norms", "grad_norm")):
            for step, (mine, other) in enumerate(zip(ours[steps][name], theirs[name], strict=True)):
                difference = abs(mine - other) / abs(mine)
                print(f"  {row.name}: step {step + 1}, {key} {other:.7g}, relative difference {difference:.1e}", flush=True)
                if not difference < TOLERANCES[row.precision]:
                    sys.exit(f"{row.name} does other work than sdlora: {key} {other} is not {mine}")
    return trace


def peak_command(case):
    if case.device == "cuda":
        return [sys.executable, ROOT / "bench/gpu_peak.py"]
    return [programs.BUILD / "bench/peak", "--cells", case.latents, "--batch", case.batch, "--threads", case.threads]


def time_row(case, model, cache, trace, row):
    """Seconds of each timed step, most bytes resident, seconds until the first step."""
    if not row.is_ours:
        result, peak_bytes, start_seconds = run_peer(case, model, trace, row, case.steps, case.warmup)
        return result["step_seconds"], peak_bytes, start_seconds
    run = fresh(case.work / "run")
    is_on_gpu, steps = case.device == "cuda", case.warmup + case.steps
    ended = run_and_watch(our_command(case, model, cache, run, steps, row), row.environment, log=run / "metrics.jsonl",
                          line_count=steps if is_on_gpu else 1)
    seconds = [step["step_seconds"] for step in metrics_of(run)]
    start_seconds = ended.line_times[0] - seconds[0] - ended.started_at
    if is_on_gpu:  # a step's own clock stops when the update is queued: from line to line it is all there
        seconds = [0, *(later - earlier for earlier, later in itertools.pairwise(ended.line_times))]
    return seconds[case.warmup:], ended.peak_bytes, start_seconds


def measure(case, model, cache, trace, rows):
    """Lets the rows take turns; returns the processor's peak in each round, in GFLOP/s."""
    peaks = []
    for round_number in range(case.rounds):
        peaks.append(float(run_and_watch(peak_command(case), {}).output.split()[-2]))
        for row in rows:
            with GpuMemory() if case.device == "cuda" else contextlib.nullcontext() as gpu_memory:
                seconds, peak_bytes, start_seconds = time_row(case, model, cache, trace, row)
            if gpu_memory:
                peak_bytes = gpu_memory.peak_bytes
            row.step_seconds += seconds
            row.start_seconds.append(start_seconds)
            row.peak_bytes = max(row.peak_bytes, peak_bytes)
            print(f"  round {round_number + 1}, {row.name}: {', '.join(f'{s:.4g}' for s in seconds)} s, "
                  f"{start_seconds:.1f} s before the first step, at most {row.peak_bytes / 2**30:.1f} GiB", flush=True)
    return peaks


def operations_of_a_sample(case, model):
    """Floating-point operations of forward and backward with a frozen base, as PyTorch counts them."""
    counted = subprocess.run([sys.executable, ROOT / "bench/count_operations.py", "--model", model, "--latents", str(case.latents),
                              "--targets", case.targets], check=True, text=True, stdout=subprocess.PIPE).stdout
    return float(counted.split()[-1])


def device_of(case):
    if case.device == "cuda":
        return subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    return f"{processor()}, {case.threads} threads"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def main():
    case = options()
    rows = [ROWS[name] for name in case.rows.split(",")]
    if case.warmup < 5 and any(row.flags for row in rows):
        sys.exit("--warmup must be at least 5 for a graph: it is recorded in the fourth step")
    for row in rows:
        if row.python and not (case.peer_environments / row.python / "complete").exists():
            sys.exit(f"{row.name}: its environment is missing; make it: bash bench/peer_environments.sh {case.peer_environments / row.python}")
    model, cache = make_inputs(case)
    print("equal work:", flush=True)
    trace = prove_equal_work(case, model, cache, rows)
    load_before = os.getloadavg()
    peaks = measure(case, model, cache, trace, rows)
    comparison_report.write(
        case.results, f"step-{case.latents}-{case.batch}-{case.targets}{'-gpu' if case.device == 'cuda' else ''}", rows,
        operations_per_step=case.batch * operations_of_a_sample(case, model), peak_gflops=statistics.median(peaks),
        facts={"command": f"bench/compare.py --latents {case.latents} --batch {case.batch} --targets {case.targets} --rows {case.rows} "
                          f"--rounds {case.rounds} --steps {case.steps} --warmup {case.warmup} --threads {case.threads} --device {case.device}",
               "date": time.strftime("%Y-%m-%d"), "device": device_of(case),
               "load average (1, 5, 15 minutes)": f"{' '.join(f'{x:.1f}' for x in load_before)} before, "
                                                  f"{' '.join(f'{x:.1f}' for x in os.getloadavg())} after",
               "peak of bf16 matrix products" if case.device == "cuda" else "peak of oneDNN on the model's shapes": f"{', '.join(f'{p:.0f}' for p in peaks)} GFLOP/s in the rounds"})


if __name__ == "__main__":
    main()
