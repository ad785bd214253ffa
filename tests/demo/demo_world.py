"""Where the demo's modules and its model are."""
import pathlib
import sys

DEMO = pathlib.Path(__file__).parents[2] / "demo"
MODEL = DEMO / "tiny-sd"
sys.path[:0] = [str(DEMO), str(pathlib.Path(__file__).parents[1] / "support")]

# What the demo draws with.
DRAWING = ["--model", MODEL, "--width", 96, "--height", 96, "--steps", 20, "--guidance-scale", 3, "--batch-size", 16]
