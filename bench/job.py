"""The whole job, from pictures to adapter, side by side: ours, and diffusers + PEFT as its example script does it.

    bench/job.py --latents 32 --pictures 50 --steps 100        about 20 minutes on 2 cores

Ours: cache_latents, then trainer. The script encodes the picture of every step with the VAE, and its caption with the text encoder; so does
this one (peer_job.py). Same full-size random model, pictures and captions. Prints and records wall times, from the start of each process
to its end.
"""
import argparse
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/support")]
import compare
import programs


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=int, default=32)
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, default=programs.BUILD / "bench")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    return parser.parse_args()


def timed(name, command, environment=None):
    start = time.monotonic()
    peak_bytes = compare.run_and_watch(command, environment or {}).peak_bytes
    seconds = time.monotonic() - start
    print(f"{name}: {seconds:.1f} s, at most {peak_bytes / 2**30:.1f} GiB", flush=True)
    return seconds


def main():
    case = options()
    model, pictures = compare.full_size_model(), compare.drawn_pictures(case.work, case.pictures)
    cache, run = compare.fresh(case.work / "job-cache"), case.work / "job-run"
    os.sync()
    caching = timed("cache_latents", [programs.BUILD / "bin/cache_latents", "--model", model, "--images", pictures, "--output", cache,
                                      "--img-size", 8 * case.latents])
    training, training_in_bf16 = (timed(f"trainer, --mixed-precision {precision}", [programs.BUILD / "bin/trainer", *programs.train_options(
        compare.fresh(run), model=model, data=cache, batch_size=1, micro_batch_size=1, max_steps=case.steps, warmup_steps=0,
        lr_schedule="constant", learning_rate="1e-4", cpu_threads=case.threads, checkpoint_every=0, step_timeout=3600,
        mixed_precision=precision)]) for precision in ("no", "bf16"))
    peer = timed("diffusers + PEFT", [sys.executable, ROOT / "bench/peer_job.py", "--model", model, "--pictures", pictures, "--pixels",
                                      8 * case.latents, "--steps", case.steps, "--threads", case.threads])
    text = (f"# From {case.pictures} pictures of {8 * case.latents}² to an adapter, {case.steps} steps of one sample\n\n"
            f"- command: bench/job.py --latents {case.latents} --pictures {case.pictures} --steps {case.steps} --threads {case.threads}\n"
            f"- date: {time.strftime('%Y-%m-%d')}\n- CPU: {compare.processor()}, {case.threads} threads\n\n"
            "| | wall time, s | × |\n|---|---|---|\n"
            f"| diffusers + PEFT, which encodes in every step | {peer:.0f} | 1 |\n"
            f"| sdlora | {caching + training:.0f} = {caching:.0f} cache_latents + {training:.0f} trainer | {peer / (caching + training):.2f} |\n"
            f"| sdlora, a second run on the same cache | {training:.0f} | {peer / training:.2f} |\n"
            f"| sdlora, --mixed-precision bf16 | {caching + training_in_bf16:.0f} = {caching:.0f} + {training_in_bf16:.0f} | "
            f"{peer / (caching + training_in_bf16):.2f} |\n")
    case.results.mkdir(parents=True, exist_ok=True)
    (case.results / f"job-{case.latents}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
