#!/usr/bin/env bash
# Every C++ file is as the pinned clang-format (14, Debian 12) writes it.
set -euo pipefail
cd "$1"
find . -path './build*' -prune -o \( -name '*.h' -o -name '*.inc' -o -name '*.cpp' -o -name '*.cu' \) -print0 |
  xargs -0 clang-format --dry-run -Werror && echo "every file is formatted"
