"""Seconds a sampler step: generate, and the diffusers pipeline, text to image with guidance, DPM-Solver++(2M), full-size random model.

    bench/draw.py --pixels 256 --steps 10            about 6 minutes on 2 cores

Both are run with 2 steps and with 2 more than --steps; the difference is the time of these steps, so start-up, text encoder and VAE count
apart. Writes the table to --record.
"""
import argparse
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/support")]
import compare
import programs

PROMPT, FEW_STEPS = "a red fox in the snow", 2
PEER = """
import sys, torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
model, (side, steps, threads) = sys.argv[1], map(int, sys.argv[2:5])
torch.set_num_threads(threads)
pipeline = StableDiffusionPipeline.from_pretrained(model, safety_checker=None, torch_dtype=getattr(torch, sys.argv[5]))
pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
pipeline(sys.argv[6], width=side, height=side, num_inference_steps=steps, generator=torch.Generator().manual_seed(0))
"""


def seconds_a_step(command_for, steps):
    """(of one step, of the whole command with all of them)"""
    compare.seconds_of(command_for(FEW_STEPS))  # not counted: brings programs and weights into memory
    few, all_steps = (compare.seconds_of(command_for(count)) for count in (FEW_STEPS, FEW_STEPS + steps))
    return (all_steps - few) / steps, all_steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, default=programs.BUILD / "bench")
    parser.add_argument("--record", type=pathlib.Path, default=ROOT / "bench/results/draw.md")
    case = parser.parse_args()
    model = compare.full_size_model()
    case.work.mkdir(parents=True, exist_ok=True)

    def ours(precision):
        return lambda count: [programs.BUILD / "bin/generate", "--model", model, "--prompt", PROMPT, "--width", case.pixels, "--height", case.pixels,
                              "--steps", count, "--mixed-precision", precision, "--cpu-threads", case.threads, "--output", case.work / "drawn.png"]

    def theirs(dtype):
        return lambda count: [sys.executable, "-c", PEER, model, case.pixels, count, case.threads, dtype, PROMPT]

    rows = [("diffusers' pipeline, fp32", theirs("float32")), ("generate", ours("no")), ("diffusers' pipeline, bf16", theirs("bfloat16")),
            ("generate --mixed-precision bf16", ours("bf16"))]
    text = (f"# A picture of {case.pixels}², guidance 7.5, DPM-Solver++(2M)\n\n- command: bench/draw.py --pixels {case.pixels} --steps {case.steps}\n"
            f"- date: {time.strftime('%Y-%m-%d')}\n- CPU: {compare.processor()}, {case.threads} threads\n\n"
            f"| | s a step | × | whole command of {FEW_STEPS + case.steps} steps, s |\n|---|---|---|---|\n")
    first = None
    for name, command_for in rows:
        step, whole = seconds_a_step(command_for, case.steps)
        first = first or step
        text += f"| {name} | {step:.2f} | {first / step:.2f} | {whole:.1f} |\n"
        print(name, f"{step:.2f} s a step", flush=True)
    case.record.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
