"""From the start of a process to its first training step, from one checkpoint file of 4 GB: ours, and diffusers' from_single_file with PEFT.

    bench/start.py --rounds 3        about five minutes on 2 cores; root, to empty the page cache; 5 GB of disk

Both train the same full-size random model in fp32, batch 1; ours reads its inputs from a cache, the peer's are random (it encodes
nothing). They take turns; before each cold start the page cache is emptied. Loaded: ours when config.toml is there, which is written
before the first step; the peer's when from_single_file and add_adapter have returned, which map the file and read little of it. So the moment that
counts is the end of the first step. Prints and records the median of the rounds.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/support")]
import compare
import ldm_layout
import programs
from safetensors.torch import save_file


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, default=programs.BUILD / "bench")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    return parser.parse_args()


def single_file_of(model, work):
    file = work / "full.safetensors"
    if not file.exists():
        save_file(ldm_layout.to_ldm(pathlib.Path(model)), file)
    return file


def ours(case, file, cache):
    """Seconds until it is loaded, and until the first step is done: two starts."""
    run = case.work / "start-run"
    command = [programs.BUILD / "bin/trainer", *programs.train_options(
        run, model=file, data=cache, batch_size=1, micro_batch_size=1, max_steps=1, warmup_steps=0, lr_schedule="constant",
        cpu_threads=case.threads, checkpoint_every=0, resume="none", step_timeout=3600)]

    def moment_of(file):
        ended = compare.run_and_watch(command, {}, log=compare.fresh(run) / file)
        return ended.line_times[0] - ended.started_at

    return lambda: moment_of("config.toml"), lambda: moment_of("metrics.jsonl")


def peer(case, file, model):
    command = [sys.executable, ROOT / "bench/peer_start.py", "--model", file, "--config", model, "--cells", case.latents, "--threads", case.threads]

    def moment(name):
        started_at = time.time()
        return json.loads(compare.run_and_watch(command, {}).output.splitlines()[-1])[name] - started_at

    return lambda: moment("loaded"), lambda: moment("first_step_done")


def cold(start):
    def run():
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        return start()

    return run


def warm(start):
    def run():
        start()
        return start()

    return run


def main():
    case = options()
    case.batch = 1
    model, cache = compare.make_inputs(case)
    file = single_file_of(model, case.work)
    starts = {"sdlora": ours(case, file, cache), "from_single_file and PEFT": peer(case, file, model)}
    rows = {(heat.__name__, moment): {who: heat(pair[index]) for who, pair in starts.items()}
            for heat in (cold, warm) for index, moment in enumerate(("loaded", "first step done"))}
    lines = [f"# From start to first step, from a file of {file.stat().st_size / 1e9:.2f} GB", "",
             f"- command: bench/start.py --latents {case.latents} --rounds {case.rounds} --threads {case.threads}",
             f"- date: {time.strftime('%Y-%m-%d')}", f"- CPU: {compare.processor()}, {case.threads} threads", "",
             "| page cache | moment | sdlora, s | from_single_file and PEFT, s | share |", "|---|---|---|---|---|"]
    for (heat, moment), runs in rows.items():
        seconds = {who: [] for who in runs}
        for _ in range(case.rounds):
            for who, run in runs.items():
                seconds[who].append(run())
                print(f"{heat}, {moment}, {who}: {seconds[who][-1]:.2f} s", flush=True)
        mine, theirs = (statistics.median(values) for values in seconds.values())
        shown = [" ".join(f"{value:.2f}" for value in values) for values in seconds.values()]
        lines.append(f"| {heat} | {moment} | {shown[0]} | {shown[1]} | {mine / theirs:.2f} × |")
    text = "\n".join(lines) + "\n"
    print(text)
    (case.results / "start.md").write_text(text)


if __name__ == "__main__":
    main()
