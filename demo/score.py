"""Scores the demo's pictures and says whether the adapter learnt the style.

    score.py --demo DIR      reads DIR/truth.json and DIR/pictures/*, writes DIR/scores.json; exit code 1 when a score is missed

Style and shape are read by judge.py. A photograph's place is kept when the thing's centre moved by less than an eighth of
the picture's side.
"""
import argparse
import json
import math
import pathlib
import sys

import numpy as np
from PIL import Image

from judge import ink_statistics, load_judge, read
from scene import IMAGE_SIZE

MOST_MOVE = IMAGE_SIZE / 8  # pixels

# folder in DIR/pictures, truth, what must hold: score, "at least" or "at most", share
RULES = [
    ("text-before", "prompts", [("ink", "at most", 0.0), ("as captioned", "at least", 0.95)]),
    ("text-after", "prompts", [("ink", "at least", 0.95), ("shape", "at least", 0.90)]),
    ("photo-0.75-after", "photographs", [("ink", "at least", 0.95), ("shape", "at least", 0.85)]),
    ("photo-0.6-after", "photographs", [("ink", "at least", 0.85), ("shape", "at least", 0.85), ("place", "at least", 0.75)]),
    ("photo-0.6-before", "photographs", [("ink", "at most", 0.0)]),
    ("photo-0.75-before", "photographs", [("ink", "at most", 0.0)]),
]


def load(folder):
    """[N, 96, 96, 3] uint8, in the order of the names."""
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))])


def shares(verdicts, truth):
    pairs = list(zip(verdicts, truth))
    words = ("shape", "colour", "ground")

    def share(holds):
        return sum(map(holds, pairs)) / len(pairs)

    return {
        "ink": share(lambda p: p[0].is_ink),
        "shape": share(lambda p: p[0].shape == p[1]["shape"]),
        "as captioned": share(lambda p: all(getattr(p[0], word) == p[1][word] for word in words)),
        "size": share(lambda p: p[0].size == p[1]["size"]),
        "place": share(lambda p: math.hypot(p[0].x - p[1]["x"], p[0].y - p[1]["y"]) < MOST_MOVE),
    }


def scale_scores(pictures):
    """Whether --lora-scale 0 is the base to the byte, and how much paper scale 0, 0.5 and 1 show."""
    names = {"0": "text-scale-0", "0.5": "text-scale-0.5", "1": "text-after"}
    few = {scale: load(pictures / name) for scale, name in names.items()}
    count = len(few["0"])
    base = load(pictures / "text-before")[:count]
    paper = {scale: float(np.mean([ink_statistics(p)[0] for p in some[:count]])) for scale, some in few.items()}
    return {"scale 0 is the base": bool((few["0"] == base).all()), "paper by scale": paper}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=pathlib.Path, required=True)
    demo = parser.parse_args().demo
    truth = json.loads((demo / "truth.json").read_text())
    judge = load_judge()
    scores, missed = {}, []
    print(f"{'pictures':20} {'ink':>7} {'shape':>7} {'caption':>8} {'size':>7} {'place':>7}")
    for folder, which, rules in RULES:
        pictures = load(demo / "pictures" / folder)
        scores[folder] = shares(read(judge, pictures), truth[which][: len(pictures)])
        row = scores[folder]
        caption = f"{row['as captioned']:8.1%}" if folder.endswith("before") else f"{'':8}"
        place = f"{row['place']:7.1%}" if which == "photographs" else ""
        print(f"{folder:20} {row['ink']:7.1%} {row['shape']:7.1%} {caption} {row['size']:7.1%} {place}")
        for score, bound, share in rules:
            if (row[score] < share) if bound == "at least" else (row[score] > share):
                missed.append(f"{folder}: {score} is {row[score]:.1%}, should be {bound} {share:.0%}")
    scores["scale"] = scale_scores(demo / "pictures")
    paper = scores["scale"]["paper by scale"]
    print("paper at --lora-scale " + ", ".join(f"{scale}: {share:.0%}" for scale, share in paper.items()))
    if not scores["scale"]["scale 0 is the base"]:
        missed.append("--lora-scale 0 does not give the base's pictures")
    if not paper["0"] < paper["0.5"] < paper["1"]:
        missed.append("--lora-scale 0.5 does not lie between 0 and 1")
    scores["missed"] = missed
    (demo / "scores.json").write_text(json.dumps(scores, indent=1))
    print("\n".join(f"missed: {line}" for line in missed) or "every score is reached")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
