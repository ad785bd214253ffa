#!/bin/bash
# Makes a cache of latents and text embeddings as a Slurm job; the ranks share the pictures. What stands after the
# script's name are the options of cache_latents.
#
#   sbatch slurm/cache_latents.sh --model sd15 --images photos --output cache
#   sbatch --gpus-per-node=4 --ntasks-per-node=4 slurm/cache_latents.sh --model sd15 --images photos --output cache
#
# At USR1 or USR2, which Slurm sends ahead of the time limit and `--signal` when it preempts, the ranks keep what they have and
# the job is queued again; it goes on where it was. At TERM (scancel, the time limit itself) they keep it, too, but the job may
# have been cancelled: whether it runs again is Slurm's decision (PreemptMode=REQUEUE). Settings:
#   SDLORA_BIN            folder of the programs; build/bin or bin of the folder where sbatch was called
#   SDLORA_STARTER        auto (srun --mpi=pmix), or mpirun where Slurm has no PMIx
#   SDLORA_MAX_REQUEUES   20
#SBATCH --job-name=sdlora-cache
#SBATCH --ntasks-per-node=1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
#SBATCH --signal=B:USR1@60
set -uo pipefail

usage_error=64 mismatch=78 stopped=75
refuse() { echo "cache_latents.sh: $2" >&2; exit "$1"; }

[[ -n ${SLURM_JOB_ID:-} ]] || refuse $usage_error "this is a Slurm job: sbatch slurm/cache_latents.sh OPTIONS"
(( $# > 0 )) || refuse $usage_error "the options are missing: sbatch slurm/cache_latents.sh --model … --images … --output …"
bin=${SDLORA_BIN:-$SLURM_SUBMIT_DIR/build/bin}
[[ -x $bin/cache_latents || -n ${SDLORA_BIN:-} ]] || bin=$SLURM_SUBMIT_DIR/bin  # submitted from an installed bundle
[[ -x $bin/cache_latents ]] || refuse $mismatch "no cache_latents in $bin: build it (bash launcher/build.sh) or set SDLORA_BIN"
restarts=${SLURM_RESTART_COUNT:-0}
echo "$(date '+%F %T') job $SLURM_JOB_ID, start $((restarts + 1)), on ${SLURM_JOB_NODELIST:-this node}"

interrupted=0 cancelled=0
# srun and mpirun end their ranks at a TERM; at a USR1 the ranks keep what they have.
pass_on() { interrupted=1; [[ $1 == TERM ]] && cancelled=1 && set -- USR1; kill -s "$1" "$ranks" 2>/dev/null; }
trap 'pass_on USR1' USR1
trap 'pass_on USR2' USR2
trap 'pass_on TERM' TERM
starter=(srun --mpi=pmix --kill-on-bad-exit=0 --cpu-bind=none ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"})
[[ ${SDLORA_STARTER:-auto} == mpirun ]] && starter=(mpirun --bind-to none)
"${starter[@]}" "$bin/cache_latents" "$@" &
ranks=$!
while wait "$ranks"; code=$?; (( interrupted )); do interrupted=0; done

echo "$(date '+%F %T') job $SLURM_JOB_ID: cache_latents left with $code"
if (( code == stopped && ! cancelled && restarts < ${SDLORA_MAX_REQUEUES:-20} )); then
  trap '' TERM  # requeueing ends this script
  scontrol requeue "$SLURM_JOB_ID" && sleep 300
fi
exit "$code"
