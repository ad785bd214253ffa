#!/usr/bin/env bash
# Installs what is missing (launcher/setup.sh), configures and builds.
#
#   bash launcher/build.sh                 everything, tests included (about 7 minutes on 2 cores)
#   bash launcher/build.sh trainer …       only these targets
#
# Programs end up in build/bin/. When nothing has changed it takes a few seconds.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
say() { printf '[build %3ds] %s\n' "$SECONDS" "$*" >&2; }

environment=$(bash launcher/setup.sh)
say "configuring"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cmake --preset release >"$log" 2>&1 || { cat "$log" >&2; echo "[build] FAILED: cmake --preset release" >&2; exit 1; }
say "building ${*:-everything} on $(nproc) cores"
ninja -C build "$@" >"$log" 2>&1 || { grep -v '^\[' "$log" | tail -n 60 >&2; echo "[build] FAILED: ninja -C build $*" >&2; exit 1; }
say "built"
echo "$environment"
