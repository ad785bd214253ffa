#!/usr/bin/env bash
# The main job on the embedded default, from pictures to an adapter that draws, on this machine:
#
#   bash launcher/demo.sh [SEED]
#
# Installs what is missing and builds. Then: a small pretrained model that draws coloured things (demo/tiny-sd) is taught a
# new style, ink with hatching, from 1,900 drawings: cached to HDF5, 500 LoRA steps on two MPI ranks. Pictures are made before
# and after, from text and from photographs, and scored. About ten minutes on 2 cores. Everything is written to build/demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seed=${1:-1}
say() { printf '\n[demo %3ds] %s\n' "$SECONDS" "$*"; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

environment=$(bash launcher/build.sh cache_latents trainer generate)
python=$environment/bin/python
model=demo/tiny-sd
demo=build/demo
lora=$demo/run/lora_weights.pt
SECONDS=0

# pictures NAME OPTIONS…: into $demo/pictures/NAME, 20 steps, 16 at a time. One thread: two of them run side by side.
pictures() {
  local name=$1
  shift
  build/bin/generate --model "$model" --width 96 --height 96 --steps 20 --guidance-scale 3 --batch-size 16 --cpu-threads 1 \
    --output "$demo/pictures/$name" "$@"
}

# photographs WHEN OPTIONS…
photographs() {
  local when=$1 strength
  shift
  for strength in 0.6 0.75; do
    pictures photo-$strength-$when --prompt-file "$demo/photographs.jsonl" --strength $strength "$@"
  done
}

say "drawing: 1,900 ink drawings to learn from; 200 captions and 100 photographs of combinations that nothing was trained on"
rm -rf "$demo"
mkdir -p "$demo"
$python demo/prepare.py --out "$demo" --seed "$seed"
head -n 16 "$demo/prompts.jsonl" >"$demo/some-prompts.jsonl"  # one batch, as before: another batch rounds otherwise

say "before: what the model draws without the adapter (build/bin/generate)"
pictures text-before --prompt-file "$demo/prompts.jsonl" &
photographs before
wait $!

say "caching latents and text embeddings (build/bin/cache_latents)"
build/bin/cache_latents --model "$model" --images "$demo/ink" --output "$demo/cache" --img-size 96

ranks=2  # a rank a GPU: one on a machine that has one
[[ $(nvidia-smi --list-gpus 2>/dev/null | wc -l) == 1 ]] && ranks=1
say "training 500 steps on $ranks rank(s) (mpirun -np $ranks build/bin/trainer)"
mpirun -np $ranks --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 \
  build/bin/trainer --config launcher/demo.toml --model "$model" --data "$demo/cache" --output "$demo/run" --seed "$seed" \
  --preview-prompts "$demo/previews.txt"

say "after: the same prompts, photographs and seeds with the adapter"
pictures text-after --prompt-file "$demo/prompts.jsonl" --lora "$lora" &
# a little less of the style keeps more of the photograph: where things are, above all on dark grounds
photographs after --lora "$lora" --lora-scale 0.9
for scale in 0 0.5; do
  pictures text-scale-$scale --prompt-file "$demo/some-prompts.jsonl" --lora "$lora" --lora-scale $scale
done
wait $!

say "scores"
$python demo/contact_sheet.py --demo "$demo"
status=0
$python demo/score.py --demo "$demo" || status=$?

say "done"
cat <<TEXT
contact sheet  $demo/contact-sheet.png        look here first: before and after
report         $demo/run/report.html          curves, previews over time, the config; opens in any browser, offline
scores         $demo/scores.json
adapter        $lora      in Python: unet.load_state_dict(torch.load("$lora"), strict=False)
metrics        $demo/run/metrics.jsonl        one line per step
TEXT
exit $status
