"""What the demo's adapter learns by other recipes than launcher/demo.toml's: the scores of each, and when it draws in ink.

    recipes.py --work DIR [--recipes demo,full,…] [--seed 1]        about four minutes a recipe on 2 cores

Draws the demo's data into DIR once, and trains each recipe for 500 steps with checkpoints every 20. Scores text and photographs as
score.py does, and finds by halves the first checkpoint whose adapter draws 95 % of 32 prompts in ink. Writes DIR/recipes.json,
DIR/recipes.md and DIR/recipes.png, a row of pictures for each; recipes that are there already are not trained again.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

from PIL import Image, ImageDraw

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "demo"))
from contact_sheet import BACKGROUND, GAP, LABEL_WIDTH, MARGIN, TEXT, font
from judge import load_judge, read
from scene import IMAGE_SIZE
from score import load, shares

MODEL = ROOT / "demo/tiny-sd"
STEPS, EVERY = 500, 20
INK = 0.95
SHOWN = 5  # pictures of each kind in a row of the sheet
# name: the trainer's options beside launcher/demo.toml's, and which file is drawn with
RECIPES = {
    "demo": [],
    "text encoder": ["--train-text-encoder", "--text-encoder-learning-rate", "5e-4"],
    "convolutions (full)": ["--lora-targets", "full"],
    "DoRA": ["--lora-kind", "dora"],
    "Prodigy at 1": ["--optimizer", "prodigy", "--learning-rate", "1", "--optimizer-args", "d0=1e-5 safeguard_warmup=True use_bias_correction=True"],
    "min-SNR 5": ["--min-snr-gamma", "5"],
    "caption dropout 0.1": ["--caption-dropout", "0.1"],
    "dropouts 0.1": ["--lora-dropout", "0.1", "--lora-rank-dropout", "0.1", "--lora-module-dropout", "0.1"],
    "moving average 0.98": ["--ema-decay", "0.98"],
    "noise offset 0.15": ["--noise-offset", "0.15"],
}
PICTURES = {"text": ("prompts", 0), "photo-0.75": ("photographs", 0.75), "photo-0.6": ("photographs", 0.6)}  # file of prompts, strength


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(done.stdout)


def draw(folder, prompts, strength, lora, scale):
    run(ROOT / "build/bin/generate", "--model", MODEL, "--width", IMAGE_SIZE, "--height", IMAGE_SIZE, "--steps", 20, "--guidance-scale", 3,
        "--batch-size", 16, "--prompt-file", prompts, "--output", folder, "--lora", lora, "--lora-scale", scale,
        *(["--strength", strength] if strength else []))


def prepare(work, seed):
    if (work / "cache/manifest.json").exists():
        return
    run(sys.executable, ROOT / "demo/prepare.py", "--out", work, "--seed", seed)
    lines = (work / "prompts.jsonl").read_text().splitlines(keepends=True)
    (work / "few.jsonl").write_text("".join(lines[:32]))
    run(ROOT / "build/bin/cache_latents", "--model", MODEL, "--images", work / "ink", "--output", work / "cache", "--img-size", IMAGE_SIZE)


def train(work, output, seed, options):
    run("mpirun", "-np", 2, "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", 1, ROOT / "build/bin/trainer",
        "--config", ROOT / "launcher/demo.toml", "--model", MODEL, "--data", work / "cache", "--output", output, "--seed", seed,
        "--checkpoint-every", EVERY, "--preview-every", 0, *options,
        env=os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})


def first_step_in_ink(work, output, judge, truth):
    """By halves, since ink only becomes more: the first checkpoint that draws it; nothing where even the last does not."""
    def is_in_ink(step):
        folder = output / f"few-{step}"
        draw(folder, work / "few.jsonl", 0, output / f"checkpoint-step-{step}/adapter.safetensors", 1)
        return shares(read(judge, load(folder)), truth["prompts"][:32])["ink"] >= INK

    low, high = 0, STEPS // EVERY  # high draws in ink, low does not
    if not is_in_ink(high * EVERY):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_in_ink(middle * EVERY) else (middle, high)
    return high * EVERY


def measure(work, name, seed, judge, truth):
    output = work / name.replace(" ", "-")
    train(work, output, seed, RECIPES[name])
    lora = output / ("lora_weights_ema.pt" if "--ema-decay" in RECIPES[name] else "lora_weights.pt")
    scores = {"options": RECIPES[name], "first step in ink": first_step_in_ink(work, output, judge, truth)}
    for which, (prompts, strength) in PICTURES.items():
        draw(output / which, work / f"{prompts}.jsonl", strength, lora, 0.9 if strength else 1)  # as demo.sh
        scores[which] = shares(read(judge, load(output / which)), truth[prompts])
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    scores["validation loss"] = [record["validation_loss"] for record in records if "validation_loss" in record][-1]
    return scores


def table(results):
    lines = ["| recipe | options beside the demo's | steps to 95 % ink | text: ink, shape | photograph at 0.75: ink, shape, place | at 0.6: ink, shape, place "
             "| validation loss |", "|---|---|---|---|---|---|---|"]
    for name, scores in results.items():
        def percent(which, *words):
            return ", ".join(f"{scores[which][word]:.0%}" for word in words)
        lines.append(f"| {name} | `{' '.join(scores['options'])}` | {scores['first step in ink'] or 'more than 500'} | {percent('text', 'ink', 'shape')} | "
                     f"{percent('photo-0.75', 'ink', 'shape', 'place')} | {percent('photo-0.6', 'ink', 'shape', 'place')} | "
                     f"{scores['validation loss']:.4f} |")
    return "\n".join(lines) + "\n"


def sheet(work, results):
    cell = IMAGE_SIZE + GAP
    picture = Image.new("RGB", (2 * MARGIN + LABEL_WIDTH + 2 * SHOWN * cell, 2 * MARGIN + (len(results) + 1) * cell), BACKGROUND)
    paint = ImageDraw.Draw(picture)

    def row(number, label, folders):
        paint.text((MARGIN, MARGIN + number * cell + 40), label, TEXT, font(15))
        for block, folder in enumerate(folders):
            for place, file in enumerate(sorted(folder.glob("*.png"))[:SHOWN] if folder else []):
                picture.paste(Image.open(file).convert("RGB"), (MARGIN + LABEL_WIDTH + (block * SHOWN + place) * cell, MARGIN + number * cell))

    row(0, "photographs", [None, work / "photographs"])
    for number, name in enumerate(results, start=1):
        output = work / name.replace(" ", "-")
        row(number, name, [output / "text", output / "photo-0.75"])
    picture.save(work / "recipes.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    prepare(work, arguments.seed)
    judge, truth = load_judge(), json.loads((work / "truth.json").read_text())
    file = work / "recipes.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    for name in arguments.recipes.split(","):
        if results.get(name, {}).get("options") != RECIPES[name]:
            results[name] = measure(work, name, arguments.seed, judge, truth)
            file.write_text(json.dumps(results, indent=1))
        print(table({name: results[name]}).splitlines()[-1], flush=True)
    (work / "recipes.md").write_text(table(results))
    sheet(work, results)


if __name__ == "__main__":
    main()
