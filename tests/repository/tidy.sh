#!/usr/bin/env bash
# clang-tidy (14, Debian 12) with .clang-tidy over our sources; its findings are errors.
#
#   bash tests/repository/tidy.sh                 every source (half an hour on 2 cores: ATen's headers are large)
#   bash tests/repository/tidy.sh trainer/step.cpp …
#
# Needs a configured build directory and clang++ 14 for the precompiled header.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# GCC's precompiled header is of no use to clang: give every command one that clang makes from the same text.
python3 - build "$work" <<'PY'
import json, pathlib, re, sys
gcc_alone = "-Wno-(restrict|maybe-uninitialized)"
build, work = map(pathlib.Path, sys.argv[1:])
commands = json.loads((build / "compile_commands.json").read_text())
with_header = next(c for c in commands if "-Winvalid-pch -include" in c["command"] and "/tests/" not in c["file"])
header = pathlib.Path(re.search(r"-Winvalid-pch -include (\S+)", with_header["command"])[1])
(work / "ours.hxx").write_text(header.read_text())
flags = re.search(r"c\+\+ (.*?) -Winvalid-pch", with_header["command"])[1]
(work / "flags").write_text(re.sub(gcc_alone, "", flags.replace("-Werror", "")))
for c in commands:
    c["command"] = re.sub(gcc_alone, "", c["command"])
    c["command"] = re.sub(r"-Winvalid-pch -include \S+", f"-include-pch {work}/ours.pch", c["command"])
(work / "compile_commands.json").write_text(json.dumps(commands))
PY
clang++ -x c++-header $(cat "$work/flags") "$work/ours.hxx" -o "$work/ours.pch" 2>/dev/null

files=("$@")
(( $# )) || mapfile -t files < <(find . -path './build*' -prune -o -path ./tests -prune -o -name '*.cpp' -print)
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy -p "$work" --quiet 2>/dev/null && echo "clang-tidy finds nothing"
