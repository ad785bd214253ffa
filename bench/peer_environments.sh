#!/usr/bin/env bash
# Makes the Python environments of the peers that bench/compare.py runs beside the pinned one: other versions of torch, vendors' extensions.
#
#   bash bench/peer_environments.sh                                all of them in ${SDLORA_HOME:-~/.cache/sdlora}/peers
#   bash bench/peer_environments.sh DIRECTORY/torch-2.15 …         these; the last part of a path says which
#
# Two minutes and 6 to 7 GB of disk for each; one that is complete is left as it is, delete its folder to start afresh.
set -euo pipefail
say() { printf '[peers %3ds] %s\n' "$SECONDS" "$*" >&2; }

declare -A packages=(
  [torch-2.15]="torch==2.15.0"
  [ipex-2.8]="torch==2.8.0 intel-extension-for-pytorch==2.8.0"
)
shared=(diffusers==0.42.1 peft==0.21.2 transformers==5.23.0 accelerate==1.15.0 safetensors==0.8.0 numpy==2.4.6)

home=${SDLORA_HOME:-$HOME/.cache/sdlora}/peers
(( $# )) || set -- "$home/torch-2.15" "$home/ipex-2.8"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
for environment; do
  name=$(basename "$environment")
  [[ -n ${packages[$name]:-} ]] || { echo "[peers] no environment is called $name; there are: ${!packages[*]}" >&2; exit 64; }
  [[ -e $environment/complete ]] && { say "$environment is there"; continue; }
  read -ra wanted <<<"${packages[$name]}"
  say "installing ${wanted[*]} in $environment"
  rm -rf "$environment"
  imports='diffusers, peft, torch'
  [[ $name == ipex-* ]] && imports+=', intel_extension_for_pytorch'
  if "${PYTHON:-/usr/bin/python3}" -m venv "$environment" >"$log" 2>&1 &&
     "$environment/bin/pip" install --no-cache-dir -q "${wanted[@]}" "${shared[@]}" >"$log" 2>&1 &&
     "$environment/bin/python" -c "import $imports" >"$log" 2>&1; then
    touch "$environment/complete"
  else
    tail -n 20 "$log" >&2
    say "FAILED: ${wanted[*]} could not be installed in $environment (the last lines are above); compare.py's rows of it cannot run"
    failed=1
  fi
done
exit "$failed"
