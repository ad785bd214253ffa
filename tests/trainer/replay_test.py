"""Trains 20 steps with --trace-dir on 1 and 2 ranks, with both sets of targets, and replays each in PyTorch (replay.py)."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs

with tempfile.TemporaryDirectory() as directory:
    for ranks in (1, 2):
        for targets in ("attn", "attn-mlp"):
            run = pathlib.Path(directory) / f"{targets}-{ranks}"
            result = programs.train(run, ranks=ranks, lora_targets=targets, max_steps=20, warmup_steps=3, trace_dir=run / "trace",
                                    noise_offset=0.1 * (ranks - 1))
            if result.exit_code != 0:
                sys.exit(result.output)
            print(f"targets {targets}, {ranks} rank(s):", flush=True)
            subprocess.run([sys.executable, pathlib.Path(__file__).parent / "replay.py", "--model", programs.TINY_MODEL,
                            "--run", run, "--trace", run / "trace"], check=True)
