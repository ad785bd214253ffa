"""Draws what the demo works on: the ink drawings to learn from, photographs that nothing was trained on, and the prompts.

    prepare.py --out DIR [--drawings 1900] [--prompts 200] [--photographs 100] [--seed 1]

DIR/ink/              drawings with captions: what cache_latents reads
DIR/photographs/      held-out scenes, photographed
DIR/prompts.jsonl     held-out captions, for `generate --prompt-file`
DIR/photographs.jsonl the photographs with their captions, for `generate --prompt-file --strength S`
DIR/previews.txt      eight of the prompts, for `trainer --preview-prompts`
DIR/truth.json        what must be seen: kind and place of each prompt and photograph
"""
import argparse
import dataclasses
import json
import pathlib

from draw import draw_folder, ink, photograph
from scene import kinds, scenes


def write_lines(path, lines):
    path.write_text("".join(line + "\n" for line in lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--drawings", type=int, default=1900)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--photographs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    out, seed = arguments.out, arguments.seed
    draw_folder(out / "ink", scenes(arguments.drawings, seed, held_out=False), ink)

    prompted = scenes(min(arguments.prompts, len(kinds(held_out=True))), 10_000 + seed, held_out=True)
    photographed = scenes(arguments.photographs, 20_000 + seed, held_out=True)
    draw_folder(out / "photographs", photographed, photograph, with_captions=False)
    write_lines(
        out / "prompts.jsonl",
        [json.dumps({"prompt": s.kind.caption(), "seed": seed * 1000 + i}) for i, s in enumerate(prompted)],
    )
    write_lines(
        out / "photographs.jsonl",
        [
            json.dumps({"prompt": s.kind.caption(), "seed": seed * 1000 + i, "init_image": f"photographs/{i:04}.png"})
            for i, s in enumerate(photographed)
        ],
    )
    write_lines(out / "previews.txt", [scene.kind.caption() for scene in prompted[:8]])
    truth = {"prompts": prompted, "photographs": photographed}
    plain = {name: [{**dataclasses.asdict(s.kind), "x": s.x, "y": s.y} for s in every] for name, every in truth.items()}
    (out / "truth.json").write_text(json.dumps(plain, indent=1))


if __name__ == "__main__":
    main()
