"""Draws the demo's pictures and caches them with the small model, for the tests that train: make_tiny_cache.py CACHE_DIR"""
import pathlib
import shutil
import subprocess
import sys

import programs

cache = pathlib.Path(sys.argv[1])
pictures = cache.with_name(cache.name + "-pictures")
for directory in (cache, pictures):
    shutil.rmtree(directory, ignore_errors=True)
draw = pathlib.Path(__file__).parents[2] / "demo/draw.py"
subprocess.run([sys.executable, draw, "--style", "photograph", "--count", "24", "--seed", "0", "--out", pictures], check=True)
result = programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", pictures, "--output", cache, "--img-size", 64,
                      "--cpu-threads", 1)
print(result.output)
sys.exit(result.exit_code)
