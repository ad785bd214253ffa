#!/usr/bin/env bash
# Every C++ file is as the pinned clang-format (14, Debian 12) writes it.
set -euo pipefail
cd "$1"
git ls-files '*.h' '*.cpp' '*.cu' | xargs clang-format --dry-run -Werror && echo "every file is formatted"
