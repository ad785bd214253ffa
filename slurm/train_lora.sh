#!/bin/bash
# Trains an adapter as a Slurm job, on one node or many. What stands after the script's name are the trainer's options.
#
#   sbatch slurm/train_lora.sh --model sd15 --data cache --output runs/ink                                    one rank
#   sbatch --gpus-per-node=4 --ntasks-per-node=4 --cpus-per-task=8 slurm/train_lora.sh --config run.toml      a rank a GPU
#   sbatch --nodes=2 --gpus-per-node=4 --ntasks-per-node=4 slurm/train_lora.sh --config run.toml              two nodes
#   sbatch --array=0-3 slurm/train_lora.sh --config run.toml --seed %a --output runs/%a                       a sweep
#
# A crash is mended inside the job by `launcher run`. Ahead of the time limit, and when preempted, the ranks save and the
# job is queued again; it goes on where it was and ends in the same bytes. That relies on exit code 75 for USR1 and USR2. At
# TERM (scancel, the time limit itself, preemption without a signal of the job's) the ranks save, too, but whether the job runs
# again is Slurm's decision (PreemptMode=REQUEUE), not this script's: it may have been cancelled. Settings (with sbatch --export=ALL,NAME=value):
#   SDLORA_BIN            folder of the programs; build/bin or bin of the folder where sbatch was called
#   SDLORA_STARTER        auto (srun --mpi=pmix), or mpirun where Slurm has no PMIx
#   SDLORA_MAX_REQUEUES   20
#   SDLORA_TARGETS_DIR    folder that Prometheus watches (file_sd_configs); unset: nothing is published
#SBATCH --job-name=sdlora
#SBATCH --ntasks-per-node=1
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
#SBATCH --signal=B:USR1@120
set -uo pipefail

usage_error=64 mismatch=78 stopped=75
refuse() { echo "train_lora.sh: $2" >&2; exit "$1"; }

[[ -n ${SLURM_JOB_ID:-} ]] || refuse $usage_error "this is a Slurm job: sbatch slurm/train_lora.sh OPTIONS"
[[ -z ${SLURM_HET_SIZE:-} ]] || refuse $usage_error "a heterogeneous job has no ranks alike: submit one component"
(( $# > 0 )) || refuse $usage_error "the trainer's options are missing: sbatch slurm/train_lora.sh --config run.toml"
bin=${SDLORA_BIN:-$SLURM_SUBMIT_DIR/build/bin}
[[ -x $bin/launcher || -n ${SDLORA_BIN:-} ]] || bin=$SLURM_SUBMIT_DIR/bin  # submitted from an installed bundle
[[ -x $bin/launcher ]] || refuse $mismatch "no launcher in $bin: build it (bash launcher/build.sh) or set SDLORA_BIN"
job=$SLURM_JOB_ID
[[ -n ${SLURM_ARRAY_JOB_ID:-} ]] && job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
set -- "${@//%a/${SLURM_ARRAY_TASK_ID:-%a}}"
restarts=${SLURM_RESTART_COUNT:-0}
echo "$(date '+%F %T') job $job, start $((restarts + 1)), on ${SLURM_JOB_NODELIST:-this node}"

options=(--starter "${SDLORA_STARTER:-auto}")
[[ -n ${SDLORA_TARGETS_DIR:-} ]] && options+=(--targets-dir "$SDLORA_TARGETS_DIR")

# In the background: bash runs a trap only between foreground commands. A trap interrupts wait, so it waits again.
interrupted=0 cancelled=0
pass_on() { interrupted=1; [[ $1 == TERM ]] && cancelled=1; kill -s "$1" "$launcher" 2>/dev/null; }
trap 'pass_on USR1' USR1
trap 'pass_on USR2' USR2
trap 'pass_on TERM' TERM
"$bin/launcher" run "${options[@]}" -- "$@" &
launcher=$!
while wait "$launcher"; code=$?; (( interrupted )); do interrupted=0; done

echo "$(date '+%F %T') job $job: the launcher left with $code"
if (( code == stopped && cancelled )); then
  echo "train_lora.sh: ended by TERM with a checkpoint saved; submit it again to go on" >&2
elif (( code == stopped && restarts < ${SDLORA_MAX_REQUEUES:-20} )); then
  trap '' TERM  # requeueing ends this script
  scontrol requeue "$job" && sleep 300
  echo "train_lora.sh: Slurm did not requeue the job; submit it again: it goes on where it was" >&2
elif (( code == stopped )); then
  echo "train_lora.sh: requeued $restarts times already (SDLORA_MAX_REQUEUES); submit it again to go on" >&2
fi
exit "$code"
