#!/usr/bin/env bash
# The main job on the embedded default, from pictures to an adapter, on this machine:
#
#   bash launcher/demo.sh
#
# Installs what is missing, builds, makes a small model of the Stable Diffusion architecture (random weights) and a set of captioned
# pictures, caches them to HDF5, and trains a LoRA adapter with two MPI ranks. After set-up and build it takes about a
# minute on 2 cores. Everything is written to build/demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { printf '\n[demo %3ds] %s\n' "$SECONDS" "$*"; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

environment=$(bash launcher/build.sh cache_latents trainer)
demo=build/demo
SECONDS=0

say "making a small model and 96 pictures (a few seconds)"
rm -rf "$demo"
mkdir -p "$demo"
"$environment/bin/python" tests/support/make_model.py --size tiny --out "$demo/model" >/dev/null
"$environment/bin/python" launcher/demo_pictures.py --count 96 --out "$demo/pictures"

say "caching latents and text embeddings: build/bin/cache_latents (a few seconds)"
build/bin/cache_latents --model "$demo/model" --images "$demo/pictures" --output "$demo/cache" --img-size 64 --cpu-threads 1

say "training 200 steps on two ranks: mpirun -np 2 build/bin/trainer (about half a minute)"
mpirun -np 2 --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 \
  build/bin/trainer --config launcher/demo.toml --model "$demo/model" --data "$demo/cache" --output "$demo/run"

say "done"
cat <<TEXT
adapter      $demo/run/lora_weights.pt      in Python: unet.load_state_dict(torch.load("$demo/run/lora_weights.pt"), strict=False)
metrics      $demo/run/metrics.jsonl        one line a step
config       $demo/run/config.toml          what was run, every option resolved
checkpoints  $demo/run/checkpoint-step-*/   run the same command again and it goes on from the newest
pictures     $demo/pictures/
TEXT
