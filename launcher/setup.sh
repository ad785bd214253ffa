#!/usr/bin/env bash
# Installs what sdlora needs and is missing: Debian packages, and a private Python environment that holds
# LibTorch (the torch wheel), a CUDA 13 compiler and the oracles of the tests.
#
#   bash launcher/setup.sh           install what is missing, then print the environment's folder
#
# Everything it downloads lives in ${SDLORA_HOME:-~/.cache/sdlora}/env-<hash of requirements.txt>, outside the
# source tree and shared by all clones; delete that folder to start afresh. Takes 2 to 4 minutes the first time
# (about 6 GB on disk) and a second when all is there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/requirements.txt
home=${SDLORA_HOME:-$HOME/.cache/sdlora}
environment=$home/env-$(sha256sum "$requirements" | cut -c1-12)

say() { printf '[setup %3ds] %s\n' "$SECONDS" "$*" >&2; }
fail() { printf '[setup] FAILED: %s\n[setup] to do it by hand, run: %s\n' "$1" "$2" >&2; exit 1; }

# 1. Debian packages
mapfile -t wanted < <(grep -v '^#' "$here/packages.txt")
mapfile -t missing < <(comm -13 <(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null | sed -n 's/^ii *//p' | sort) \
                                <(printf '%s\n' "${wanted[@]}" | sort))
if (( ${#missing[@]} )); then
  by_hand="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  command -v apt-get >/dev/null || fail "this machine has no apt-get; these packages are missing: ${missing[*]}" "$by_hand"
  as_root=()
  if (( EUID != 0 )); then
    command -v sudo >/dev/null || fail "not root and no sudo, and packages are missing" "$by_hand"
    as_root=(sudo)
  fi
  say "installing ${#missing[@]} Debian packages (about a minute): ${missing[*]}"
  apt_log=$(mktemp)
  { "${as_root[@]}" apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$apt_log" 2>&1 ||
    { tail -n 20 "$apt_log" >&2; fail "apt-get could not install the packages (its last lines are above)" "$by_hand"; }
  rm -f "$apt_log"
fi

# 2. Python environment; complete or absent: built under a temporary name, renamed when done
if [[ ! -e $environment/complete ]]; then
  mkdir -p "$home"
  exec 9>"$home/setup.lock"
  flock 9  # a second clone waits here and then finds it done
fi
if [[ ! -e $environment/complete ]]; then
  python=$(for candidate in "${PYTHON:-}" /usr/bin/python3 python3; do
             [[ -n $candidate ]] && "$candidate" -c 'import ensurepip, venv' 2>/dev/null && { echo "$candidate"; break; }; done)
  [[ -n $python ]] || fail "no python3 with the venv module" "apt-get install -y python3-venv"
  say "installing the Python environment in $environment (2 to 4 minutes, about 6 GB)"
  rm -rf "$environment"
  "$python" -m venv "$environment"
  pip_log=$(mktemp)
  "$environment/bin/pip" install --no-cache-dir -q -r "$requirements" >"$pip_log" 2>&1 ||
    { tail -n 20 "$pip_log" >&2; fail "pip could not install the wheels (its last lines are above)" "$environment/bin/pip install -r $requirements"; }
  # open_clip_torch carries the merges of CLIP's vocabulary, which the tokenizer tests need; nothing else of it is used
  "$environment/bin/pip" install --no-cache-dir -q --no-deps open_clip_torch==3.3.0 >"$pip_log" 2>&1 ||
    { tail -n 20 "$pip_log" >&2; fail "pip could not install open_clip_torch" "$environment/bin/pip install --no-deps open_clip_torch==3.3.0"; }
  rm -f "$pip_log"
  # CMake's FindCUDAToolkit wants a toolkit's layout: lib64, and library names without a version
  for cuda in "$environment"/lib/python3*/site-packages/nvidia/cu13; do
    ln -sfn lib "$cuda/lib64"
    for library in "$cuda"/lib/lib*.so.*; do
      ln -sfn "$(basename "$library")" "${library%%.so.*}.so"
    done
  done
  for nccl in "$environment"/lib/python3*/site-packages/nvidia/nccl/lib; do
    ln -sfn libnccl.so.2 "$nccl/libnccl.so"
  done
  touch "$environment/complete"
fi
say "ready"
echo "$environment"
