"""What a dry run says a training takes of memory, beside what it takes: at full size, with and without gradient checkpointing.

    memory.py [--latents 64] [--batches 1,4] [--steps 3] [--results DIR]

Prints a table and writes it to DIR/memory-LATENTS.md."""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import types

ROOT = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "bench")]
import programs
from compare import make_inputs


def peak_gib(output, words):
    return float(re.search(rf"memory of rank 0{words}: ([\d.]+) GiB peak", output)[1])


def trainer(run, model, cache, batch, steps, *flags):
    done = programs.run("trainer", *programs.train_options(
        run, model=model, data=cache, batch_size=batch, micro_batch_size=batch, max_steps=steps, warmup_steps=0, cpu_threads=2,
        step_timeout=3600), *flags, timeout_seconds=3600)
    assert done.exit_code == 0, done.output
    return done.output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=int, default=64, help="cells along a side; pictures have 8 times as many pixels")
    parser.add_argument("--batches", default="1,4")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--work", type=pathlib.Path, default=programs.BUILD / "bench")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    arguments = parser.parse_args()
    table = [f"# Memory of a rank at {8 * arguments.latents}², SD 1.5 at full size, attn, rank 16, fp32, 2 threads", "",
             "`python bench/memory.py` (VmHWM, mapped weights included).", "",
             "| batch | gradient checkpointing | a dry run says | a run of "
             f"{arguments.steps} steps takes | said / taken | median step |", "|---|---|---|---|---|---|"]
    for batch in map(int, arguments.batches.split(",")):
        case = types.SimpleNamespace(latents=arguments.latents, batch=batch, work=arguments.work)
        model, cache = make_inputs(case)
        for flags in ((), ("--gradient-checkpointing",)):
            run = arguments.work / "memory"
            subprocess.run(["rm", "-rf", run], check=True)
            said = peak_gib(trainer(run, model, cache, batch, arguments.steps, *flags, "--dry-run"), ", with a micro-batch of .* tried")
            taken = peak_gib(trainer(run, model, cache, batch, arguments.steps, *flags), "")
            seconds = statistics.median(json.loads(line)["step_seconds"] for line in (run / "metrics.jsonl").read_text().splitlines())
            table.append(f"| {batch} | {'yes' if flags else 'no'} | {said:.2f} GiB | {taken:.2f} GiB | {said / taken:.2f} | {seconds:.1f} s |")
            print(table[-1], flush=True)
    text = "\n".join(table) + "\n"
    (arguments.results / f"memory-{arguments.latents}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
