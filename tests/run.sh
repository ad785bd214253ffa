#!/usr/bin/env bash
# Builds everything and runs the tests; installs what is missing first.
#
#   bash tests/run.sh                    all but the slow ones (about 50 minutes from nothing on 2 cores)
#   bash tests/run.sh -L unit            one label: unit, mpi, parity, system, repository
#   bash tests/run.sh -R exact_sum       tests whose name matches
#   bash tests/run.sh --slow             the slow ones too: full-size Stable Diffusion, needs 12 GB of memory
#
# Other arguments go to ctest. Ends with ctest's summary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
choice=(-LE slow)
if [[ ${1:-} == --slow ]]; then
  choice=()
  shift
fi
bash launcher/build.sh >/dev/null
printf '[tests] running ctest on %d cores\n' "$(nproc)" >&2
exec ctest --test-dir build --output-on-failure --parallel "$(nproc)" "${choice[@]}" "$@"
