#!/usr/bin/env bash
# Writes docs/options.md from what the programs themselves say (--help-markdown).
#
#   bash docs/write_options.sh               after a build
#   bash docs/write_options.sh BIN OUTPUT    with the programs in BIN, into OUTPUT
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-build/bin}
output=${2:-docs/options.md}
{
  cat <<'INTRODUCTION'
# Options

Written by `bash docs/write_options.sh`; a test compares it with what the programs print.

Every option is a flag and a key of `--config FILE.toml` (which `launcher run` and `adapter` do not have), by the same name, at the top of the file.
Flags win over the file; of a flag that is given twice the last one counts. What an option decides:

- **result**: the bytes of the result. It is the same on all ranks, and a run goes on from a checkpoint only with the same value, but for
  `--max-steps`.
- **run**: what all ranks do alike. A run may go on with another value.
- **rank**: a matter of one process: a place (whose contents are compared), or what concerns that process alone.

INTRODUCTION
  for program in trainer generate cache_latents "launcher run" "adapter inspect" "adapter convert" "adapter merge" "adapter resize" "adapter extract" "adapter apply"; do
    "$bin"/$program --help-markdown
    echo
  done
} | cat -s >"$output.new"
sed -i -e '$ { /^$/d }' "$output.new"
mv "$output.new" "$output"
