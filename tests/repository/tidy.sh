#!/usr/bin/env bash
# clang-tidy (14, Debian 12) with .clang-tidy over our sources; its findings are errors.
#
#   bash tests/repository/tidy.sh                    every source of the product (six minutes on 2 cores)
#   bash tests/repository/tidy.sh --changed [BASE]   those that differ from BASE (origin/main, else HEAD~1), committed or not
#   bash tests/repository/tidy.sh trainer/step/step.cpp …
#
# Configures clang's own build in build/tidy, of which it builds the precompiled header only. Sources of a library are read as one
# (tidy_units.py), so names in anonymous namespaces differ within a library.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$PWD/build/tidy
folders=(common comm checkpoint monitoring model lora data inference trainer process launcher)

quietly() { "$@" >"$build/log" 2>&1 || { cat "$build/log" >&2; echo "[tidy] FAILED: $*" >&2; exit 2; }; }

source_of() {  # of a header: the source beside it, or else the first that includes it, if need be by way of others
  local file=$1 includer
  [[ $file != *.cpp ]] || { echo "$file"; return; }
  [[ ! -f ${file%.*}.cpp ]] || { echo "${file%.*}.cpp"; return; }
  includer=$(git grep -l -F "#include \"$file\"" -- "${folders[@]/%//*.cpp}" "${folders[@]/%//*.inc}" | sort | head -n 1 || true)  # tests' headers have none
  [[ -z $includer ]] || source_of "$includer"
}

changed_sources() {
  local base=${1:-}
  [[ -n $base ]] || base=$(git rev-parse --verify --quiet origin/main || git rev-parse HEAD~1)
  { git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } | while read -r file; do
    case $file in
      *.cpp | *.h | *.inc) source_of "$file" ;;
    esac
  done | grep -E "^($(IFS='|'; echo "${folders[*]}"))/" | sort -u
}

case ${1:-} in
  --changed) mapfile -t sources < <(changed_sources "${2:-}") ;;
  "") mapfile -t sources < <(find "${folders[@]}" -name '*.cpp' | sort) ;;
  *) sources=("$@") ;;
esac
(( ${#sources[@]} )) || { echo "[tidy] no source has changed"; exit 0; }

mkdir -p "$build"
quietly cmake --preset clang -B "$build" -DSDLORA_UNITY=OFF
quietly ninja -C "$build" sdlora_precompiled
mapfile -t units < <(python3 tests/repository/tidy_units.py "$build" "${sources[@]}")
(( ${#units[@]} )) || { echo "[tidy] FAILED: none of these is built: ${sources[*]}" >&2; exit 2; }

# What clang-tidy cannot do (read its configuration, a header, a flag) ends in an error, too. Left out: how much it did not show.
tidy() { clang-tidy -p "$build/units" --quiet "$1" 2>&1 | { grep -vE '^([0-9]+ warnings?( and [0-9]+ errors?)?|[0-9]+ errors?) generated\.$' || true; }; }
export -f tidy && export build

# Does it find anything at all? A badly named function in a header of a room of each folder has to be found.
canaries=$(python3 tests/repository/tidy_units.py "$build" --canary "${folders[@]}")
findings=$(tidy "$canaries" || true)
for folder in "${folders[@]}"; do
  grep -q "/canary/$folder/room_2/bad_name.h:.*BadNameIn_$folder" <<<"$findings" ||
    { echo "[tidy] FAILED: clang-tidy does not look at headers in the rooms of $folder/: $findings" >&2; exit 2; }
done

printf '%s\0' "${units[@]}" | xargs -0 -P "$(nproc)" -n 1 bash -o pipefail -c 'tidy "$0"' || { echo "[tidy] FAILED" >&2; exit 1; }
echo "[tidy] nothing found in ${#sources[@]} sources"
