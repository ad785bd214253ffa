#!/usr/bin/env bash
# Builds the fuzz targets and runs them, each for SECONDS_EACH (60), two at a time:
#
#   bash tests/fuzz/run.sh [SECONDS_EACH] [TARGET…]
#   bash tests/fuzz/run.sh --smoke [TARGET…]          2 minutes for all of them
#
# Corpus and findings of the repository come first; what is found besides lies in build-fuzz/corpus/TARGET (interesting
# inputs, kept for the next run) and build-fuzz/artifacts/TARGET. Prints a table; exit code 1 when there is a finding.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v clang++ > /dev/null; then
  echo "clang++ is not installed: apt-get install clang" >&2
  exit 77
fi
all_targets=$(grep -v ON_REQUEST tests/fuzz/CMakeLists.txt | sed -n 's/^sdlora_fuzz_target(\([a-z_]*\).*/\1/p')
seconds=60
[ "${1:-}" = --smoke ] && seconds=16 && shift
[[ "${1:-}" =~ ^[0-9]+$ ]] && seconds=$1 && shift
targets=${*:-$all_targets}
jobs=${SDLORA_FUZZ_JOBS:-$(nproc)}

mkdir -p build-fuzz
cmake --preset fuzz > build-fuzz/configure.log 2>&1 || { tail -20 build-fuzz/configure.log; exit 1; }
# shellcheck disable=SC2046,SC2086
ninja -C build-fuzz -j "$jobs" $(printf '%s_fuzz ' $targets)

# Without our instrumentation in LibTorch, OpenCV and HDF5, containers that both sides touch look overflown. Leaks: what
# these libraries keep for ever is not ours.
export ASAN_OPTIONS=detect_container_overflow=0:detect_leaks=0:allocator_may_return_null=1:abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1
export OMP_NUM_THREADS=1

# fuzz_one TARGET: replays, then fuzzes; leaves build-fuzz/artifacts/TARGET.log and .rc
# shellcheck disable=SC2317  # xargs calls it
fuzz_one() {
  local target=$1 rc=0 known=()
  local work=build-fuzz/corpus/$target artifacts=build-fuzz/artifacts/$target
  mkdir -p "$work" "$artifacts"
  for folder in tests/fuzz/corpus/"$target" tests/fuzz/findings/"$target"; do
    [ ! -d "$folder" ] || known+=("$folder")
  done
  build-fuzz/fuzz/"${target}_fuzz" -timeout=5 -rss_limit_mb=2048 -max_len=8192 -max_total_time="$seconds" -close_fd_mask=3 \
    -print_final_stats=1 -artifact_prefix="$artifacts/" "$work" "${known[@]}" > "$artifacts.log" 2>&1 || rc=$?
  echo "$rc" > "$artifacts.rc"
}
export -f fuzz_one
export seconds
# shellcheck disable=SC2086
printf '%s\n' $targets | xargs -P "$jobs" -I{} bash -c 'fuzz_one {}'
for folder in /dev/shm/sdlora-fuzz-*; do  # of processes that have ended: libFuzzer runs no destructors
  [ -d "$folder" ] && ! kill -0 "${folder##*-}" 2> /dev/null && rm -rf "$folder"
done

failed=0
printf '%-16s %12s %8s  %s\n' target executions edges findings
for target in $targets; do
  log=build-fuzz/artifacts/$target.log
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
  edges=$(grep -ao 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2) || true
  finding=none
  if [ "$(cat "build-fuzz/artifacts/$target.rc")" != 0 ]; then
    failed=1
    finding=$(grep -aom1 -E 'FINDING: .*|runtime error: .*|SUMMARY: .*' "$log" | cut -c1-200 || echo "see $log")
  fi
  printf '%-16s %12s %8s  %s\n' "$target" "${executions:-?}" "${edges:-?}" "$finding"
done
exit $failed
